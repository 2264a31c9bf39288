using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Numerics;
using System.Text;
using System.Text.Json.Nodes;
using DfPO.Actors.Configuration;
using DfPO.Host.Reporting;
using DfPO.Host.Runs;
using DfPO.Host.Tracking;
using DfPO.Models.Policies;

namespace DfPO.Host.Tests.Tracking;

public sealed class TrackerTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Tensorboards_event_files_have_the_metrics_by_their_names_and_iterations_also_of_a_resumed_run()
    {
        var run = RunFolder.Create(_folder.Path, new ExperimentConfig());
        var recorder = new RunRecorder(run);
        recorder.Started(new ExperimentConfig(), 0);
        recorder.IterationFinished(Reports.Iteration(1, reward: 0.25));
        // The second process: what the first one had written is there once.
        for (var time = 0; time < 2; time++)
        {
            var tracker = new TensorboardTracker(run);
            tracker.Started(new ExperimentConfig(), 1);
            tracker.IterationFinished(Reports.Iteration(2, reward: 0.75));
            tracker.Evaluated(Reports.Evaluation("validation", DecodingPolicy.Policy, 2, 0.5));
        }
        var events = Directory.GetFiles(run.Tensorboard).SelectMany(Records).Select(Tensorboard.Event.Parser.ParseFrom).ToArray();
        var points = events
            .Where(one => one.Summary is not null)
            .SelectMany(one => one.Summary.Value.Select(value => (value.Tag, one.Step, value.SimpleValue)))
            .ToArray();
        Assert.Equal(
            [(1L, 0.25f), (2L, 0.75f)],
            points.Where(point => point.Tag == "rollout/reward").Select(point => (point.Step, point.SimpleValue))
        );
        Assert.Equal(2, Assert.Single(points, point => point.Tag == "eval/validation/policy/reward").Step);
        Assert.DoesNotContain(points, point => point.Tag == "iteration" || !float.IsFinite(point.SimpleValue));
    }

    [Fact]
    public void Mlflow_gets_parameters_metrics_and_artefacts_and_a_resumed_run_goes_on_with_its_own()
    {
        using var server = new FakeMlflow();
        var config = new ExperimentConfig { Name = "films", Tracking = [TrackerKind.Mlflow] };
        var run = RunFolder.Create(_folder.Path, config);
        string? Variable(string name) => name == "MLFLOW_TRACKING_URI" ? server.Address : name == "MLFLOW_TRACKING_TOKEN" ? "secret" : null;
        var first = Trackers.Of(config, run, Variable, _ => { }).Single();
        first.Started(config, 0);
        first.IterationFinished(Reports.Iteration(1, reward: 0.25));
        // A server that fails for a while gets what it missed.
        server.Failing = true;
        first.IterationFinished(Reports.Iteration(2, reward: 0.5));
        server.Failing = false;
        first.IterationFinished(Reports.Iteration(3, reward: 0.75));
        ((IDisposable)first).Dispose();
        Assert.Equal("KILLED", server.Status);
        var second = Trackers.Of(config, run, Variable, _ => { }).Single();
        second.Started(config, 3);
        Assert.Equal("RUNNING", server.Status);
        second.IterationFinished(Reports.Iteration(4, reward: 1));
        second.Finished(Reports.Result());
        RunRecorder.Conclude(run, config.Evaluation, Reports.Result());
        ((IDisposable)second).Dispose();
        Assert.Equal("FINISHED", server.Status);
        Assert.Equal(["films"], server.Experiments);
        Assert.Equal(1, server.Runs);
        Assert.Equal(
            [(1, 0.25), (2, 0.5), (3, 0.75), (4, 1.0)],
            server.Metrics.Where(m => m.Key == "rollout/reward").Select(m => (m.Step, m.Value))
        );
        Assert.Equal("50", server.Parameters["iterations"]);
        Assert.Equal("[mlflow]", server.Parameters["tracking"]);
        Assert.Contains("verdict", server.Files["7/r1/artifacts/result.json"]);
        Assert.Contains("seed = 1", server.Files["7/r1/artifacts/experiment.conf"]);
        Assert.All(server.Tokens, token => Assert.Equal("Bearer secret", token));
        Assert.True(server.LargestBatch <= MlflowClient.MostMetrics);
    }

    [Fact]
    public void A_tracker_without_its_server_is_refused_before_the_run_and_a_server_that_is_none_is_told()
    {
        var config = new ExperimentConfig { Tracking = [TrackerKind.Mlflow] };
        var run = RunFolder.Create(_folder.Path, config);
        Assert.Equal("tracking/mlflow", DfpoAssert.CodeOf(() => Trackers.Of(config, run, _ => null, _ => { }), "MLFLOW_TRACKING_URI"));
        Assert.Empty(Trackers.Of(new ExperimentConfig(), run, _ => null, _ => { }));
        using var server = new FakeMlflow { Html = true };
        using var client = new MlflowClient(new Uri(server.Address), _ => null);
        Assert.Equal("tracking/mlflow", DfpoAssert.CodeOf(() => client.Experiment("x"), "is not MLflow's"));
        Assert.False(client.Store("s3://bucket/run", run.Config));
    }

    /// <summary>The records of an event file, whose checksums are looked at.</summary>
    private static IEnumerable<byte[]> Records(string path)
    {
        var bytes = File.ReadAllBytes(path);
        for (var at = 0; at < bytes.Length;)
        {
            var length = (int)BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(at));
            Assert.Equal(Masked(bytes.AsSpan(at, 8)), BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at + 8)));
            var data = bytes[(at + 12)..(at + 12 + length)];
            Assert.Equal(Masked(data), BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at + 12 + length)));
            yield return data;
            at += 16 + length;
        }
    }

    // The masked CRC-32C of TensorFlow's record format.
    private static uint Masked(ReadOnlySpan<byte> data)
    {
        var crc = uint.MaxValue;
        foreach (var one in data)
            crc = BitOperations.Crc32C(crc, one);
        crc = ~crc;
        return unchecked(((crc >> 15) | (crc << 17)) + 0xa282ead8);
    }

    /// <summary>Answers as an MLflow server does, as its REST API's page describes it.</summary>
    private sealed class FakeMlflow : IDisposable
    {
        private readonly HttpListener _listener = new();
        private readonly Task _serving;

        public FakeMlflow()
        {
            using var free = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0);
            free.Start();
            Address = $"http://127.0.0.1:{((IPEndPoint)free.LocalEndpoint).Port}";
            free.Stop();
            _listener.Prefixes.Add(Address + "/");
            _listener.Start();
            _serving = Task.Run(Serve);
        }

        public string Address { get; }

        public bool Failing { get; set; }

        public bool Html { get; init; }

        public string Status { get; private set; } = "";

        public int Runs { get; private set; }

        public int LargestBatch { get; private set; }

        public List<string> Experiments { get; } = [];

        public ConcurrentBag<string?> Tokens { get; } = [];

        public List<(string Key, int Step, double Value)> Metrics { get; } = [];

        public Dictionary<string, string> Parameters { get; } = [];

        public Dictionary<string, string> Files { get; } = [];

        public void Dispose()
        {
            _listener.Close();
            _serving.GetAwaiter().GetResult();
        }

        private async Task Serve()
        {
            while (_listener.IsListening)
            {
                HttpListenerContext context;
                try
                {
                    context = await _listener.GetContextAsync();
                }
                catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
                {
                    return;
                }
                using var reader = new StreamReader(context.Request.InputStream);
                var (status, answer) = Answer(context.Request, await reader.ReadToEndAsync());
                context.Response.StatusCode = status;
                await context.Response.OutputStream.WriteAsync(Encoding.UTF8.GetBytes(answer));
                context.Response.Close();
            }
        }

        private (int, string) Answer(HttpListenerRequest request, string body)
        {
            Tokens.Add(request.Headers["Authorization"]);
            if (Html)
                return (200, "<html>");
            if (Failing)
                return (503, "busy");
            const string Artifacts = "/api/2.0/mlflow-artifacts/artifacts/";
            var path = request.Url!.AbsolutePath;
            if (path.StartsWith(Artifacts, StringComparison.Ordinal))
            {
                Files[path[Artifacts.Length..]] = body;
                return (200, "{}");
            }
            var json = body.Length > 0 ? JsonNode.Parse(body)!.AsObject() : [];
            switch (path["/api/2.0/mlflow/".Length..])
            {
                case "experiments/get-by-name":
                    return (404, """{"error_code": "RESOURCE_DOES_NOT_EXIST"}""");
                case "experiments/create":
                    Experiments.Add((string)json["name"]!);
                    return (200, """{"experiment_id": "7"}""");
                case "runs/create":
                    Runs++;
                    return (200, """{"run": {"info": {"run_id": "r1", "artifact_uri": "mlflow-artifacts:/7/r1/artifacts"}}}""");
                case "runs/log-batch":
                    var metrics = json["metrics"]!.AsArray();
                    LargestBatch = Math.Max(LargestBatch, metrics.Count);
                    Metrics.AddRange(metrics.Select(m => ((string)m!["key"]!, (int)m["step"]!, (double)m["value"]!)));
                    foreach (var parameter in json["params"]!.AsArray())
                        Parameters[(string)parameter!["key"]!] = (string)parameter["value"]!;
                    return (200, "{}");
                case "runs/update":
                    Status = (string)json["status"]!;
                    return (200, "{}");
                default:
                    return (404, "unknown");
            }
        }
    }
}
