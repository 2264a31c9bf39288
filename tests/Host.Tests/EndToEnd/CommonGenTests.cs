using System.Text.Json.Nodes;
using DfPO.Host.Tests.Commands;

namespace DfPO.Host.Tests.EndToEnd;

/// <summary>The bundled encoder-decoder task, cut down to seconds.</summary>
public sealed class CommonGenTests : IDisposable
{
    private static readonly string s_policy = Repository.Path("models/commongen-tiny/policy");

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task The_bundled_T5_learns_from_a_comparison_with_references_and_is_evaluated_by_beams_where_asked()
    {
        string[] settings =
        [
            "iterations=2",
            "rollout.prompts-per-iteration=16",
            "rollout.unit-size=8",
            "rollout.threads=1",
            "learner.epochs=1",
            "learner.value-warmup-iterations=0",
            "learner.warmup-steps=0",
            $"task.test-prompts={Repository.Path("models/commongen-tiny/prompts/validation.jsonl")}",
            "evaluation.every=2",
            "evaluation.samples-per-prompt=1",
            "evaluation.generation.num-beams=5",
        ];
        var (exit, output, errors) = await DfpoProcess.Run([
            "run",
            Repository.Path("hocon/experiments/commongen-tiny.conf"),
            "--runs-dir",
            _folder["runs"],
            "--port",
            "0",
            .. settings.SelectMany(setting => new[] { "--set", setting }),
        ]);
        Assert.True(exit == 0, $"exit code {exit}\n{output}\n{errors}");

        var run = Directory.GetDirectories(_folder["runs"]).Single();
        var before = JsonNode.Parse(File.ReadAllText(Path.Combine(run, "result.json")))!["before"]!;
        Assert.All(new[] { "rougeL", "bleu-4", "distinct-1" }, name => Assert.InRange((double)before[name]!, 0, 1));
        Assert.True((double)before["cider"]! > 0);
        // It was trained to use the concepts; one of random weights uses next to none.
        Assert.InRange((double)before["coverage"]!, 0.25, 1);
        Assert.NotEqual(
            File.ReadAllBytes(Path.Combine(s_policy, "model.safetensors")),
            File.ReadAllBytes(Path.Combine(run, "final", "model.safetensors"))
        );

        // The same prompts and weights twice: the likeliest sentences of pi_theta, and sampled ones of pi-, for which there is no beam
        // search and which is still pi_0 then.
        var samples = File.ReadLines(Path.Combine(run, "samples.jsonl"))
            .Select(line => JsonNode.Parse(line)!)
            .Where(sample => (int)sample["iteration"]! == 0)
            .ToLookup(sample => $"{sample["split"]} {sample["policy"]}");
        var (likeliest, sampled) = (samples["test policy"].ToArray(), samples["validation negative"].ToArray());
        Assert.Equal((40, 40), (likeliest.Length, sampled.Length));
        Assert.True(likeliest.Average(sample => (double)sample["reward"]!) > sampled.Average(sample => (double)sample["reward"]!));
    }

    [Fact]
    public async Task It_generates_different_sentences_of_different_concepts()
    {
        var (exit, output, errors) = await DfpoProcess.Run(
            ["generate", s_policy, "--json", "--max-new-tokens", "12"],
            "generate a sentence with: dog park run.\ngenerate a sentence with: boat lake float.\n"
        );
        Assert.Equal((0, ""), (exit, errors));
        var lines = output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonNode.Parse(line)!).ToArray();
        Assert.Equal(2, lines.Select(line => (string)line["continuation"]!).Distinct().Count());
        Assert.All(lines, line => Assert.InRange((int)line["tokens"]!, 1, 12));
    }
}
