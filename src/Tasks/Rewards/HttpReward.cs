using System.Net.Http.Headers;
using System.Text.Json;
using DfPO.Models;
using DfPO.Tasks.Prompts;

namespace DfPO.Tasks.Rewards;

/// <summary>
/// Scores of an HTTP endpoint of the user's own. A request is
/// <c>{"texts": [{"prompt", "continuation", "references", "concepts"}, ...]}</c>, the answer <c>{"scores": [number, ...]}</c> with one
/// score a text, in the same order.
/// </summary>
public sealed class HttpReward : IReward
{
    private readonly JsonEndpoint _endpoint;
    private readonly int _batchSize;

    /// <summary>Makes the reward; nothing is sent yet.</summary>
    /// <exception cref="DfpoException"><c>reward/spec</c> or <c>reward/key</c>.</exception>
    public HttpReward(EndpointOptions options, TimeProvider? time = null)
    {
        var token = options.KeyVariable.Length > 0 ? ApiKey.Read(options.KeyVariable) : null;
        _endpoint = new JsonEndpoint(
            options,
            headers => headers.Authorization = token is null ? null : new AuthenticationHeaderValue("Bearer", token),
            time
        );
        _batchSize = options.BatchSize;
    }

    /// <inheritdoc/>
    /// <exception cref="DfpoException"><c>reward/endpoint</c>, <c>reward/endpoint-open</c> or <c>reward/count</c>.</exception>
    public IReadOnlyList<float> Score(IReadOnlyList<PromptContinuation> texts) => [.. texts.Chunk(_batchSize).SelectMany(ScoreBatch)];

    /// <inheritdoc/>
    public void Dispose() => _endpoint.Dispose();

    private float[] ScoreBatch(PromptContinuation[] batch)
    {
        using var answer = _endpoint.Post(new { Texts = batch });
        if (
            answer.RootElement.ValueKind != JsonValueKind.Object
            || !answer.RootElement.TryGetProperty("scores", out var scores)
            || scores.ValueKind != JsonValueKind.Array
        )
            throw _endpoint.Unexpected("JSON that has no list 'scores'");
        if (scores.GetArrayLength() != batch.Length)
            throw new DfpoException(
                "reward/count",
                $"The reward's endpoint gave {scores.GetArrayLength()} scores for {batch.Length} texts: it must give one a text, in their order."
            );
        return
        [
            .. scores
                .EnumerateArray()
                .Select(
                    (score, row) =>
                        score.ValueKind == JsonValueKind.Number
                            ? score.GetSingle()
                            : throw _endpoint.Unexpected($"score {row + 1} being {score.GetRawText()}, which is no number")
                ),
        ];
    }
}
