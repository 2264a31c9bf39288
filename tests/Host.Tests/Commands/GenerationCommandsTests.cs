using System.Text.Json.Nodes;
using DfPO.Actors.Learning;
using DfPO.Host.Generation;
using DfPO.Host.Tests.Generation;
using DfPO.Rollout;
using DfPO.Tasks.Prompts;

namespace DfPO.Host.Tests.Commands;

public sealed class GenerationCommandsTests : IDisposable
{
    private readonly TestFolder _folder = new();
    private readonly string _policy,
        _reference;

    public GenerationCommandsTests() =>
        (_policy, _reference) = (TinyModels.Policy(_folder["policy"], 1), TinyModels.Policy(_folder["reference"], 2));

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Prompts_from_stdin_are_continued_the_same_for_the_same_seed()
    {
        Task<(int, string Output, string)> Run(int seed) =>
            DfpoProcess.Run(["generate", _policy, "--json", "--max-new-tokens", "6", "--seed", $"{seed}"], input: "the film\n\na story\n");
        var (first, again, other) = (await Run(3), await Run(3), await Run(4));
        Assert.Equal(first, again);
        Assert.NotEqual(first.Output, other.Output);
        var lines = Lines(first.Output);
        Assert.Equal(["the film", "a story"], lines.Select(line => (string?)line["prompt"]));
        Assert.All(lines, line => Assert.InRange((int)line["tokens"]!, 1, 6));
    }

    [Fact]
    public async Task Prompts_that_are_not_utf8_are_named()
    {
        var file = _folder["latin1.txt"];
        File.WriteAllBytes(file, [.. "the film\nCaf"u8, 0xE9, .. " x\n"u8]);
        var (code, _, errors) = await DfpoProcess.Run(["generate", _policy, "--file", file]);
        Assert.Equal(1, code);
        Assert.Contains($"'{file}', line 2: not valid UTF-8", errors);
    }

    [Fact]
    public async Task A_reward_model_is_not_trained_on_a_handful_of_texts()
    {
        var texts = _folder.Write(
            "few.jsonl",
            string.Concat(Enumerable.Range(0, 4).Select(i => $"{{\"text\": \"text {i}\", \"label\": {i % 2}}}\n"))
        );
        var (code, _, errors) = await DfpoProcess.Run([
            "train-reward",
            "--train",
            texts,
            "--test",
            texts,
            "--base",
            _policy,
            "--output",
            _folder["reward"],
        ]);
        Assert.Equal(1, code);
        Assert.Contains("has 4 texts but training needs at least 10", errors);
    }

    [Fact]
    public async Task Masked_policies_decode_with_the_reference()
    {
        string[] common =
        [
            "generate",
            _policy,
            "--prompt",
            "the film",
            "--reference",
            _reference,
            "--max-new-tokens",
            "8",
            "--min-new-tokens",
            "8",
        ];
        var outputs = new List<string>();
        foreach (var policy in new[] { "policy", "negative", "positive" })
        {
            var (code, output, errors) = await DfpoProcess.Run([.. common, "--policy", policy]);
            Assert.Equal((0, ""), (code, errors));
            Assert.StartsWith("the film", output);
            outputs.Add(output);
        }
        Assert.Equal(3, outputs.Distinct().Count());
    }

    [Fact]
    public async Task Beams_take_the_place_of_sampling_but_not_under_a_mask()
    {
        string[] common =
        [
            "generate",
            _policy,
            "--prompt",
            "the film",
            "--reference",
            _reference,
            "--max-new-tokens",
            "6",
            "--num-beams",
            "3",
        ];
        var (code, output, errors) = await DfpoProcess.Run([.. common, "--seed", "1"]);
        Assert.Equal((0, ""), (code, errors));
        Assert.Equal((0, output, ""), await DfpoProcess.Run([.. common, "--seed", "2"]));
        (code, _, errors) = await DfpoProcess.Run([.. common, "--policy", "negative"]);
        Assert.Equal(2, code);
        Assert.Contains("'num-beams' must be 1 under a KL mask", errors);
    }

    [Fact]
    public async Task An_nlpo_run_is_continued_under_its_mask_as_it_is_evaluated()
    {
        using var run = new NlpoRun();
        string[] prompts = [.. Enumerable.Range(0, 6).Select(i => $"The film number {i} was")];
        var file = _folder.Write("prompts.txt", string.Join('\n', prompts));
        using (var generator = TextGenerator.Load(run.Best, null, "cpu", "float32", MaskFolder.In(run.Best)))
        {
            string[] Texts(GenerationOptions options) =>
                [
                    .. generator
                        .Generate([.. prompts.Select(text => new Prompt(text, text))], options, 5, 16, null, default)
                        .Select(continuation => continuation.Text),
                ];
            var (code, output, errors) = await DfpoProcess.Run(["generate", run.Path, "--file", file, "--json", "--seed", "5"]);
            Assert.Equal((0, ""), (code, errors));
            Assert.Equal(Texts(NlpoRun.Masked), Continuations(output));
            Assert.NotEqual(Texts(NlpoRun.Plain), Continuations(output));
        }
        var evaluated = _folder["evaluated.jsonl"];
        Assert.Equal(0, (await DfpoProcess.Run(["eval", run.Path, "--prompts", file, "--seed", "5", "--output", evaluated])).ExitCode);
        foreach (var policy in new[] { "policy", "negative" })
        {
            var (_, output, _) = await DfpoProcess.Run(["generate", run.Best, "--policy", policy, "--file", file, "--json", "--seed", "5"]);
            Assert.Equal(
                Lines(File.ReadAllText(evaluated))
                    .Where(line => (string?)line["policy"] == policy)
                    .Select(line => (string?)line["continuation"]),
                Continuations(output)
            );
        }
    }

    [Fact]
    public async Task A_copy_of_a_masked_checkpoint_is_refused_without_its_experiment()
    {
        using var run = new NlpoRun();
        var copy = run.Experiment.At("copy");
        Directory.Move(run.Best, copy);
        foreach (var command in new[] { new[] { "generate", copy, "--prompt", "a" }, ["distill", copy, "--out", _folder["one"]] })
        {
            var (code, _, errors) = await DfpoProcess.Run(command);
            Assert.Equal(2, code);
            Assert.Contains("--experiment", errors);
            Assert.Contains("[usage/mask]", errors);
        }
        var (fine, output, _) = await DfpoProcess.Run([
            "generate",
            copy,
            "--prompt",
            "a",
            "--experiment",
            Path.Combine(run.Path, "experiment.conf"),
            "--max-new-tokens",
            "3",
        ]);
        Assert.Equal(0, fine);
        Assert.StartsWith("a", output);
    }

    [Fact]
    public async Task An_evaluation_reports_each_policy_and_writes_its_continuations()
    {
        var prompts = _folder.Write(
            "prompts.jsonl",
            """
            {"id": "a", "text": "the film"}
            {"id": "b", "text": "a story about"}
            {"id": "c", "text": "in the end"}
            """
        );
        var predictions = _folder["predictions.jsonl"];
        string[] arguments =
        [
            "eval",
            _policy,
            "--reference",
            _reference,
            "--prompts",
            prompts,
            "--reward-model",
            TinyModels.Classifier(_folder["reward"], 3),
            "--max-new-tokens",
            "8",
            "--batch-size",
            "2",
        ];
        var (code, output, errors) = await DfpoProcess.Run([.. arguments, "--json", "--output", predictions]);
        Assert.Equal((0, ""), (code, errors));
        var figures = Lines(output);
        Assert.Equal(["policy", "negative"], figures.Select(line => (string?)line["policy"]));
        var written = Lines(File.ReadAllText(predictions));
        Assert.Equal(["a", "b", "c", "a", "b", "c"], written.Select(line => (string?)line["id"]));
        Assert.All(figures, line =>
        {
            Assert.True((double)line["kl"]! > 0);
            Assert.Equal(
                written.Where(w => (string?)w["policy"] == (string?)line["policy"]).Average(w => (double)w["reward"]!),
                (double)line["reward"]!,
                1e-5
            );
        });

        (code, output, errors) = await DfpoProcess.Run([.. arguments, "--samples", "1", "--policies", "negative"]);
        Assert.Equal((0, ""), (code, errors));
        Assert.Contains("perplexity", output);
        Assert.Contains("│ pi-, tau 0 ", output);
        Assert.DoesNotContain("pi_theta", output);
    }

    [Fact]
    public async Task Tolerances_draw_the_frontier_of_a_policy()
    {
        var prompts = _folder.Write("prompts.txt", "the film\na story\nin the end\n");
        string[] arguments =
        [
            "eval",
            _policy,
            "--reference",
            _reference,
            "--prompts",
            prompts,
            "--reward-model",
            TinyModels.Classifier(_folder["reward"], 3),
            "--max-new-tokens",
            "8",
            "--samples-per-prompt",
            "3",
            "--policies",
            "pi_theta,pi-",
            "--tolerance",
            "0,0.05,9",
            "--perplexity-model",
            _reference,
            "--json",
        ];
        var (code, output, errors) = await DfpoProcess.Run(arguments);
        Assert.Equal((0, ""), (code, errors));
        var lines = Lines(output);
        Assert.Equal(["pi_theta", "pi-, tau 0", "pi-, tau 0.05", "pi-, tau 9"], lines.Select(line => (string?)line["decoding"]));
        double[] kl = [.. lines.Select(line => (double)line["kl"]!)];
        // The narrower the mask, the farther from pi_0; one that masks nothing is the policy.
        Assert.True(kl[1] > kl[2] && kl[2] > kl[3]);
        Assert.Equal(kl[0], kl[3], 1e-5);
        Assert.All(lines, line =>
            Assert.Equal(Math.Log((double)line["perplexity"]!), (double)line["entropy"]! + (double)line["kl"]!, 1e-9)
        );
        Assert.All(lines, line => Assert.Equal((9, 3), ((int)line["continuations"]!, (int)line["prompts"]!)));
        Assert.All(lines, line => Assert.Equal(2, line["intervals"]!["kl"]!.AsArray().Count));
        Assert.All(lines, line => Assert.True((double)line["judge-bits-per-character"]! > 0));
    }

    [Fact]
    public async Task A_policy_that_is_its_reference_has_no_divergence()
    {
        var prompts = _folder.Write("prompts.txt", "the film\na story\n");
        var (code, output, _) = await DfpoProcess.Run([
            "eval",
            _policy,
            "--reference",
            _policy,
            "--prompts",
            prompts,
            "--reward-model",
            TinyModels.Classifier(_folder["reward"], 3),
            "--max-new-tokens",
            "8",
            "--json",
        ]);
        Assert.Equal(0, code);
        var figures = Lines(output);
        Assert.All(figures, line => Assert.Equal(0, (double)line["kl"]!));
        Assert.Equal(1, (double)figures[0]["perplexity"]! / (double)figures[1]["perplexity"]!, 1e-6);
    }

    [Fact]
    public async Task The_perplexity_of_references_is_a_figure_of_pi_theta_and_needs_references()
    {
        string[] Eval(string prompts) =>
            [
                "eval",
                _policy,
                "--reference",
                _policy,
                "--prompts",
                prompts,
                "--reward-model",
                TinyModels.Classifier(_folder["reward"], 3),
                "--max-new-tokens",
                "8",
                "--json",
                "--metrics",
                "reference-perplexity",
            ];
        var (code, output, _) = await DfpoProcess.Run(
            Eval(_folder.Write("prompts.jsonl", """{"id": "1", "text": "the film", "references": ["the film was good"]}"""))
        );
        Assert.Equal(0, code);
        var figures = Lines(output);
        Assert.True((double)figures[0]["reference-perplexity"]! > 1);
        Assert.Null(figures[1]["reference-perplexity"]);
        (code, _, var errors) = await DfpoProcess.Run(Eval(_folder.Write("prompts.txt", "the film\na story\n")));
        Assert.Equal(1, code);
        Assert.Contains("2 of 2 prompts have no reference. [metrics/needs]", errors);
    }

    [Theory]
    [InlineData("good", "reward/label")]
    [InlineData("", "reward/label")]
    public async Task A_label_that_the_reward_model_lacks_is_told(string label, string error)
    {
        var prompts = _folder.Write("prompts.txt", "the film\n");
        var (code, _, errors) = await DfpoProcess.Run([
            "eval",
            _policy,
            "--reference",
            _policy,
            "--prompts",
            prompts,
            "--reward-model",
            TinyModels.Classifier(_folder["reward"], 3),
            "--reward-label",
            label,
        ]);
        Assert.Equal(1, code);
        Assert.Contains(error, errors);
    }

    private static IEnumerable<string?> Continuations(string output) => Lines(output).Select(line => (string?)line["continuation"]);

    private static List<JsonNode> Lines(string text) =>
        [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonNode.Parse(line)!)];
}
