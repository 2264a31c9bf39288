using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using DfPO.Models;

namespace DfPO.Host.Tracking;

/// <summary>The calls of MLflow's REST API (version 2.0) that a run needs.</summary>
internal sealed class MlflowClient : IDisposable
{
    /// <summary>Most metrics and most parameters of one batch, as the API documents them.</summary>
    public const int MostMetrics = 1000,
        MostParameters = 100;

    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(10);
    private readonly HttpClient _http;

    /// <param name="server">Address of the server, <c>http</c> or <c>https</c>.</param>
    /// <param name="variable">Value of an environment variable, for <c>MLFLOW_TRACKING_TOKEN</c>, or <c>_USERNAME</c> and
    /// <c>_PASSWORD</c>.</param>
    public MlflowClient(Uri server, Func<string, string?> variable)
    {
        _http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false })
        {
            BaseAddress = new Uri(server.ToString().TrimEnd('/') + "/"),
            Timeout = s_timeout,
        };
        if (variable("MLFLOW_TRACKING_TOKEN") is { Length: > 0 } token)
            _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        else if (variable("MLFLOW_TRACKING_USERNAME") is { Length: > 0 } user)
            _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue(
                "Basic",
                Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user}:{variable("MLFLOW_TRACKING_PASSWORD")}"))
            );
    }

    /// <summary>The id of an experiment, which is made where there is none.</summary>
    public string Experiment(string name)
    {
        var (status, found) = Send(HttpMethod.Get, $"mlflow/experiments/get-by-name?experiment_name={Uri.EscapeDataString(name)}", null);
        return status == HttpStatusCode.NotFound
            ? Text(Post("mlflow/experiments/create", new() { ["name"] = name }), "experiment_id")
            : Text(Checked(status, found)["experiment"], "experiment_id");
    }

    /// <summary>Starts a run.</summary>
    /// <returns>Its id, and where its artefacts go.</returns>
    public (string Id, string Artifacts) Create(string experiment, string name, long time, IEnumerable<(string Key, string Value)> tags)
    {
        var info = Post(
            "mlflow/runs/create",
            new()
            {
                ["experiment_id"] = experiment,
                ["run_name"] = name,
                ["start_time"] = time,
                ["tags"] = Pairs(tags),
            }
        )["run"]?["info"];
        return (Text(info, "run_id"), Text(info, "artifact_uri"));
    }

    /// <summary>Adds metrics or parameters.</summary>
    public void Log(string run, IEnumerable<JsonObject> metrics, IEnumerable<(string Key, string Value)> parameters) =>
        Post(
            "mlflow/runs/log-batch",
            new()
            {
                ["run_id"] = run,
                ["metrics"] = new JsonArray([.. metrics]),
                ["params"] = Pairs(parameters),
            }
        );

    /// <summary>Sets a run's status, and where it has ended its time.</summary>
    public void Update(string run, string status, long? end)
    {
        var body = new JsonObject { ["run_id"] = run, ["status"] = status };
        if (end is { } time)
            body["end_time"] = time;
        Post("mlflow/runs/update", body);
    }

    /// <summary>Stores a file with a run, through the server.</summary>
    /// <param name="artifacts">Where the run's artefacts go.</param>
    /// <param name="file">The file.</param>
    /// <returns>Whether the server takes files; one that has clients write into its own storage does not.</returns>
    public bool Store(string artifacts, string file)
    {
        if (!Uri.TryCreate(artifacts, UriKind.Absolute, out var address) || address.Scheme != "mlflow-artifacts")
            return false;
        using var content = new StreamContent(File.OpenRead(file));
        content.Headers.ContentType = new("application/octet-stream");
        using var request = new HttpRequestMessage(
            HttpMethod.Put,
            $"api/2.0/mlflow-artifacts/artifacts/{address.AbsolutePath.Trim('/')}/{Uri.EscapeDataString(Path.GetFileName(file))}"
        )
        {
            Content = content,
        };
        using var response = Answer(request);
        Checked(response.StatusCode, Body(response));
        return true;
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private JsonObject Post(string path, JsonObject body)
    {
        var (status, answer) = Send(HttpMethod.Post, path, body);
        return Checked(status, answer);
    }

    private (HttpStatusCode, string) Send(HttpMethod method, string path, JsonObject? body)
    {
        using var request = new HttpRequestMessage(method, $"api/2.0/{path}");
        if (body is not null)
            request.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");
        using var response = Answer(request);
        return (response.StatusCode, Body(response));
    }

    private HttpResponseMessage Answer(HttpRequestMessage request)
    {
        try
        {
            return _http.Send(request);
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
        {
            throw new DfpoException("tracking/mlflow", $"The MLflow server at {_http.BaseAddress} cannot be reached: {e.Message}", e);
        }
    }

    private static string Body(HttpResponseMessage response)
    {
        using var reader = new StreamReader(response.Content.ReadAsStream());
        return reader.ReadToEnd();
    }

    private JsonObject Checked(HttpStatusCode status, string answer)
    {
        if ((int)status is < 200 or > 299)
            throw new DfpoException(
                "tracking/mlflow",
                $"The MLflow server at {_http.BaseAddress} answered {(int)status}: {answer[..Math.Min(300, answer.Length)].ReplaceLineEndings(" ")}"
            );
        try
        {
            return answer.Length == 0 ? [] : JsonNode.Parse(answer) as JsonObject ?? throw new JsonException("it is not an object");
        }
        catch (JsonException e)
        {
            throw Strange(e.Message, e);
        }
    }

    private string Text(JsonNode? node, string field) =>
        node is JsonObject && node[field]?.GetValueKind() == JsonValueKind.String
            ? (string)node[field]!
            : throw Strange($"it has no {field}", null);

    private DfpoException Strange(string what, Exception? inner) =>
        new("tracking/mlflow", $"The answer of {_http.BaseAddress} is not MLflow's ({what}): check MLFLOW_TRACKING_URI.", inner);

    private static JsonArray Pairs(IEnumerable<(string Key, string Value)> pairs) =>
        [.. pairs.Select(pair => (JsonNode)new JsonObject { ["key"] = pair.Key, ["value"] = pair.Value })];
}
