using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using DfPO.Host.Tests.Commands;

namespace DfPO.Host.Tests.EndToEnd;

/// <summary>Runs that a classifier does not reward.</summary>
public sealed class RewardTests
{
    [Fact]
    public async Task References_reach_the_reward_and_the_metrics_and_evaluation_decodes_in_its_own_way()
    {
        using var experiment = new TinyExperiment();
        File.WriteAllLines(
            experiment.At("table.jsonl"),
            Enumerable.Range(0, 40).Select(i => $$"""{"text": "The film number {{i}} was", "reference": "good film {{i}}"}""")
        );
        string[] data =
        [
            "task.train-prompts=",
            "task.validation-prompts=",
            "task.test-prompts=",
            "task.reward-model=",
            $"task.data.path={experiment.At("table.jsonl")}",
            "task.data.format=table",
            "task.data.references-column=reference",
            "task.reward.kind=combination",
            "task.reward.terms=[rouge, bleu]",
            "task.reward.weights=[1, 0.5]",
            "evaluation.metrics=[bleu, rouge, reference-perplexity, model-perplexity]",
            $"evaluation.perplexity-model={Repository.Path("models/imdb-tiny/policy")}",
            "evaluation.generation.num-beams=2",
            "evaluation.generation.max-new-tokens=3",
            "iterations=1",
        ];

        await experiment.RunToEnd([.. data.SelectMany(setting => new[] { "--set", setting })]);

        var folder = experiment.RunFolders.Single();
        var first = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "result.json")))!["before"]!;
        Assert.InRange((double)first["rougeL"]!, 0, 1);
        Assert.InRange((double)first["bleu-1"]!, 0, 1);
        Assert.All(new[] { "reference-perplexity", "model-perplexity" }, name => Assert.InRange((double)first[name]!, 1, 1e6));
        Assert.InRange((double)first["length"]!, 1, 3);
        // A tenth of the table is the test split.
        Assert.Equal(
            4,
            File.ReadLines(Path.Combine(folder, "samples.jsonl"))
                .Select(line => JsonNode.Parse(line)!)
                .Count(line => (string?)line["split"] == "test" && (int)line["iteration"]! == 0 && (string?)line["policy"] == "policy")
        );
    }

    [Fact]
    public async Task A_reward_that_compares_refuses_prompts_without_references()
    {
        using var experiment = new TinyExperiment();
        File.WriteAllLines(
            experiment.At("train.jsonl"),
            Enumerable.Range(0, 24).Select(i => $$"""{"id": "{{i}}", "text": "Film {{i}} was"}""")
        );
        var (exit, _, errors) = await DfpoProcess.Run(experiment.Run("--set", "task.reward.kind=bleu"));
        Assert.Equal(1, exit);
        Assert.Contains("24 of 24 train prompts", errors);
        Assert.Contains("[reward/references]", errors);
    }

    [Theory]
    [InlineData("task.reward.kind=kindness", "config/value", "classifier, meteor")]
    [InlineData("task.reward.kind=meteor", "config/path", "'task.reward.word-net' is not set")]
    [InlineData("task.reward.kind=http", "config/path", "'task.reward.endpoint.url' is not set")]
    [InlineData("task.reward.kind=combination", "config/reward", "'task.reward.terms'")]
    [InlineData("evaluation.metrics=[bleurt]", "config/range", "'bleurt'")]
    [InlineData("evaluation.metrics=[bert-score]", "config/path", "'evaluation.bert-score-model' is not set")]
    [InlineData("evaluation.metrics=[toxicity]", "config/conflict", "non-toxicity")]
    [InlineData("evaluation.metrics=[model-perplexity]", "config/path", "'evaluation.perplexity-model' is not set")]
    [InlineData("evaluation.perplexity-model=nowhere", "config/path", "nowhere")]
    [InlineData("evaluation.metrics=[spice]", "config/path", "'evaluation.spice-jar' is not set")]
    [InlineData("evaluation.metrics=[meteor]", "config/path", "'evaluation.word-net' is not set")]
    [InlineData("task.train-prompts=", "config/path", "'task.data.path'")]
    public async Task A_task_that_cannot_be_is_refused(string setting, string code, string remedy)
    {
        using var experiment = new TinyExperiment();
        var (exit, _, errors) = await DfpoProcess.Run(["plan", experiment.At("tiny.conf"), "--set", setting]);
        Assert.Equal(2, exit);
        Assert.Contains($"[{code}]", errors);
        Assert.Contains(remedy, errors);
    }

    [Theory]
    [InlineData("fails", "status 500")]
    [InlineData("hangs", "did not answer within 0.2 s")]
    [InlineData("infinite", "finite number")]
    public async Task A_poisoned_reward_is_tried_again_and_then_ends_the_run_with_one_error(string how, string reason)
    {
        using var experiment = new TinyExperiment();
        using var endpoint = new PoisonedEndpoint(how);
        string[] settings =
        [
            "task.reward.kind=http",
            $"task.reward.endpoint.url={endpoint.Url}",
            $"task.reward.endpoint.timeout={(how == "hangs" ? "200ms" : "20s")}",
            "task.reward.endpoint.retries=1",
            "task.reward.endpoint.retry-delay=10ms",
            "task.reward.endpoint.break-after=100",
            "rollout.max-attempts=2",
            "rollout.unit-size=8",
        ];

        var (exit, _, errors) = await DfpoProcess.Run(experiment.Run([.. settings.SelectMany(setting => new[] { "--set", setting })]));

        Assert.Equal(1, exit);
        var line = Assert.Single(errors.Split('\n'), line => line.StartsWith("dfpo: ", StringComparison.Ordinal) && line.EndsWith(']'));
        Assert.Contains("[run/unit-abandoned]", line);
        Assert.Contains(reason, line);
        // Two attempts of the unit, each asked twice where the failure may pass.
        Assert.True(endpoint.Requests >= (how == "infinite" ? 2 : 4), $"{endpoint.Requests} requests");
    }

    private sealed class PoisonedEndpoint : IDisposable
    {
        private readonly HttpListener _listener = new();
        private int _requests;

        public PoisonedEndpoint(string how)
        {
            using (var free = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0))
            {
                free.Start();
                Url = $"http://127.0.0.1:{((IPEndPoint)free.LocalEndpoint).Port}/";
            }
            _listener.Prefixes.Add(Url);
            _listener.Start();
            _ = Serve(how);
        }

        public string Url { get; }

        public int Requests => Volatile.Read(ref _requests);

        public void Dispose() => _listener.Close();

        private async Task Serve(string how)
        {
            while (_listener.IsListening)
            {
                var context = await _listener.GetContextAsync();
                Interlocked.Increment(ref _requests);
                if (how == "hangs")
                    continue;
                var texts = JsonNode.Parse(context.Request.InputStream)!["texts"]!.AsArray().Count;
                context.Response.StatusCode = how == "fails" ? 500 : 200;
                await context.Response.OutputStream.WriteAsync(
                    Encoding.UTF8.GetBytes($$"""{"scores": [{{string.Join(", ", Enumerable.Repeat("1e999", texts))}}]}""")
                );
                context.Response.Close();
            }
        }
    }
}
