using System.Text.Json;
using DfPO.Models;
using DfPO.Tasks.Prompts;

namespace DfPO.Tasks.Rewards;

/// <summary>
/// 1 - toxicity by Google's Perspective API (<c>comments:analyze</c>, attribute TOXICITY), a request a text; an empty text is not toxic.
/// </summary>
public sealed class PerspectiveReward : IReward
{
    private const string Url = "https://commentanalyzer.googleapis.com/v1alpha1/comments:analyze";
    private const string KeyVariable = "PERSPECTIVE_API_KEY";

    private readonly JsonEndpoint _endpoint;
    private readonly RewardScope _scope;

    /// <summary>Makes the reward; nothing is sent yet.</summary>
    /// <param name="options">Empty address, key variable and rate stand for Perspective's own, <c>PERSPECTIVE_API_KEY</c> and one request a
    /// second.</param>
    /// <param name="scope">What is judged.</param>
    /// <param name="time">Clock of pace and retries.</param>
    /// <exception cref="DfpoException"><c>reward/key</c> or <c>reward/spec</c>.</exception>
    public PerspectiveReward(EndpointOptions options, RewardScope scope = RewardScope.Continuation, TimeProvider? time = null)
    {
        options = Complete(options);
        // In a header, so that no message with the address shows the key.
        var key = ApiKey.Read(options.KeyVariable);
        _endpoint = new JsonEndpoint(options, headers => headers.Add("X-Goog-Api-Key", key), time);
        _scope = scope;
    }

    /// <summary>The endpoint with Perspective's own values where nothing is set.</summary>
    internal static EndpointOptions Complete(EndpointOptions options) =>
        options with
        {
            Url = options.Url.Length > 0 ? options.Url : Url,
            KeyVariable = options.KeyVariable.Length > 0 ? options.KeyVariable : KeyVariable,
            RequestsPerSecond = options.RequestsPerSecond > 0 ? options.RequestsPerSecond : 1,
        };

    /// <inheritdoc/>
    /// <exception cref="DfpoException"><c>reward/endpoint</c> or <c>reward/endpoint-open</c>.</exception>
    public IReadOnlyList<float> Score(IReadOnlyList<PromptContinuation> texts) =>
        [.. texts.Select(text => 1 - Toxicity(text.Read(_scope)))];

    /// <inheritdoc/>
    public void Dispose() => _endpoint.Dispose();

    private float Toxicity(string text)
    {
        if (string.IsNullOrWhiteSpace(text))
            return 0;
        using var answer = _endpoint.Post(
            new
            {
                Comment = new { Text = text },
                Languages = new[] { "en" },
                RequestedAttributes = new Dictionary<string, object> { ["TOXICITY"] = new { } },
                DoNotStore = true,
            }
        );
        try
        {
            return answer
                .RootElement.GetProperty("attributeScores")
                .GetProperty("TOXICITY")
                .GetProperty("summaryScore")
                .GetProperty("value")
                .GetSingle();
        }
        catch (Exception e) when (e is KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw _endpoint.Unexpected("JSON without attributeScores.TOXICITY.summaryScore.value", e);
        }
    }
}
