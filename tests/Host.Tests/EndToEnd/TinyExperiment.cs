using System.Text.Json.Nodes;
using DfPO.Host.Tests.Commands;

namespace DfPO.Host.Tests.EndToEnd;

/// <summary>An experiment of seconds on random weights: what it learns is nonsense, what it does is everything.</summary>
internal sealed class TinyExperiment : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("dfpo-run");

    public TinyExperiment()
    {
        TinyModels.Policy(At("policy"), 1);
        TinyModels.Classifier(At("reward"), 2);
        foreach (var (split, count) in new[] { ("train", 24), ("validation", 4), ("test", 4) })
            File.WriteAllLines(
                At($"{split}.jsonl"),
                Enumerable
                    .Range(0, count)
                    .Select(i =>
                        $$"""{"id": "{{split}}-{{i}}", "text": "The {{split}} film number {{i}} was", "references": ["a good one", " not bad"]}"""
                    )
            );
        File.WriteAllLines(
            At("pairs.jsonl"),
            Enumerable.Range(0, 8).Select(i => $$"""{"prompt": "Film {{i}} was", "chosen": " good", "rejected": " bad"}""")
        );
        File.WriteAllText(
            At("tiny.conf"),
            $$"""
            name = tiny
            iterations = 4
            model.policy = "{{At("policy")}}"
            task { train-prompts = "{{At("train.jsonl")}}", validation-prompts = "{{At("validation.jsonl")}}", test-prompts = "{{At(
                "test.jsonl"
            )}}", reward-model = "{{At("reward")}}", reward-label = pos }
            rollout { prompts-per-iteration = 8, unit-size = 2, workers = 1, generation { max-new-tokens = 6 } }
            learner { preset = dfpo, value-warmup-iterations = 0, learning-rate = 1e-3, minibatch-size = 4, epochs = 2, max-kl = 100 }
            evaluation.every = 2
            """
        );
    }

    public string Runs => At("runs");

    /// <summary>
    /// A file or folder of the experiment: its models <c>policy</c> and <c>reward</c>, its prompts, pairs <c>pairs.jsonl</c>, its
    /// configuration.
    /// </summary>
    public string At(string name) => Path.Combine(_root.FullName, name);

    /// <summary>The folders of all runs so far.</summary>
    public string[] RunFolders => Directory.Exists(Runs) ? Directory.GetDirectories(Runs) : [];

    /// <summary>The records of all iterations of all runs so far, a run after the other.</summary>
    public JsonNode[] Iterations =>
        [
            .. RunFolders
                .Select(folder => Path.Combine(folder, "metrics.jsonl"))
                .Where(File.Exists)
                .SelectMany(File.ReadLines)
                .Select(line => JsonNode.Parse(line)!)
                .Where(line => (string?)line["type"] == "iteration"),
        ];

    /// <summary>Command line of a run on free ports.</summary>
    public string[] Run(params string[] more) => ["run", At("tiny.conf"), "--runs-dir", Runs, "--port", "0", .. more];

    /// <summary>Digest of a finished run's final weights.</summary>
    public static string Digest(string runFolder) =>
        JsonNode
            .Parse(File.ReadAllText(Path.Combine(runFolder, "result.json")))!
            .AsObject()
            .First(p => p.Key.Contains("digest", StringComparison.OrdinalIgnoreCase))
            .Value!.GetValue<string>();

    /// <summary>Runs to the end within this process and gives the digest.</summary>
    public async Task<string> RunToEnd(params string[] more)
    {
        var before = RunFolders;
        var (exit, output, errors) = await DfpoProcess.Run(Run(more));
        Assert.True(exit == 0, $"exit code {exit}\n{output}\n{errors}");
        return Digest(RunFolders.Except(before).Single());
    }

    public void Dispose() => _root.Delete(recursive: true);
}
