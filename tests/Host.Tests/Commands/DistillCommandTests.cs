using System.Text.Json.Nodes;
using DfPO.Actors.Evaluation;
using DfPO.Actors.Learning;
using DfPO.Host.Commands;
using DfPO.Host.Distillation;
using DfPO.Host.Generation;
using DfPO.Host.Tests.EndToEnd;
using DfPO.Host.Tests.Generation;
using DfPO.Models;
using DfPO.Rollout;
using DfPO.Tasks.Prompts;
using TorchSharp;

namespace DfPO.Host.Tests.Commands;

public sealed class DistillCommandTests : IDisposable
{
    private readonly TinyExperiment _experiment = new();

    public void Dispose() => _experiment.Dispose();

    [Fact]
    public async Task A_run_s_masked_policy_becomes_one_model_and_the_report_says_what_survives()
    {
        await _experiment.RunToEnd("--set", "iterations=2");
        var (run, output) = (_experiment.RunFolders.Single(), _experiment.At("one"));
        var (exit, text, errors) = await DfpoProcess.Run([
            "distill",
            run,
            "--out",
            output,
            "--json",
            "--minibatch-size",
            "8",
            "--learning-rate",
            "1e-2",
            "--batch-size",
            "32",
        ]);
        Assert.Equal((0, ""), (exit, errors));
        var report = JsonNode.Parse(text)!;
        double Reward(string model) => (double)report[model]!["reward"]!;
        Assert.All(["reference", "policy", "negative", "distilled"], model => Assert.True((double)report[model]!["perplexity"]! > 1));
        Assert.Equal(0, (double)report["reference"]!["kl"]!, 1e-6);
        if (Reward("negative") > Reward("reference"))
            Assert.Equal(
                (Reward("distilled") - Reward("reference")) / (Reward("negative") - Reward("reference")),
                (double)report["gain_survives"]!,
                1e-9
            );
        else
            Assert.Null(report["gain_survives"]);
        using var model = PretrainedModels.LoadLanguageModel(output);
        Assert.NotEqual(
            File.ReadAllBytes(Path.Combine(_experiment.At("policy"), "model.safetensors")),
            File.ReadAllBytes(Path.Combine(output, "model.safetensors"))
        );
    }

    [Fact]
    public async Task Of_an_nlpo_run_the_policy_under_its_mask_becomes_one_model()
    {
        using var run = new NlpoRun();
        var output = run.Experiment.At("one");
        var (exit, text, errors) = await DfpoProcess.Run([
            "distill",
            run.Path,
            "--out",
            output,
            "--json",
            "--minibatch-size",
            "8",
            "--learning-rate",
            "1e-2",
            "--threads",
            "1",
        ]);
        Assert.Equal((0, ""), (exit, errors));
        var report = JsonNode.Parse(text)!;
        Assert.Null(report["negative"]);

        // Measured is what eval measures, with the same seed.
        var seed = CounterRandom.UInt64(1, DistillCommand.Measuring);
        var (_, figures, _) = await DfpoProcess.Run([
            "eval",
            run.Path,
            "--policies",
            "policy",
            "--samples-per-prompt",
            "4",
            "--seed",
            $"{seed}",
            "--json",
        ]);
        foreach (var name in new[] { "reward", "perplexity", "length" })
            Assert.Equal((double)JsonNode.Parse(figures)![name]!, (double)report["policy"]![name]!, 1e-4);

        // Learnt are samples from inside of the mask: the weights are those that such samples give, and far from those of unmasked ones.
        double Distance(GenerationOptions drawn)
        {
            var folder = run.Experiment.At($"expected-{drawn.MaskTopP}");
            using (var generator = TextGenerator.Load(run.Best, null, "cpu", "float32", MaskFolder.In(run.Best)))
            {
                var prompts = Enumerable
                    .Repeat(PromptSet.Read(run.Experiment.At("train.jsonl")).Prompts, 4)
                    .SelectMany(all => all)
                    .ToArray();
                Continuation[] samples =
                [
                    .. generator.Generate(prompts, drawn, CounterRandom.UInt64(1, DistillCommand.Training), 16, 64, default),
                ];
                Distiller.Train(run.Best, samples, new DistillerOptions(2, 1e-2, 8, 1, "cpu"), folder, (_, _) => { }, default);
            }
            using var expected = PretrainedModels.LoadLanguageModel(folder);
            using var found = PretrainedModels.LoadLanguageModel(output);
            return expected.parameters().Zip(found.parameters()).Max(pair => (pair.First - pair.Second).abs().max().item<float>());
        }
        Assert.InRange(10 * Distance(NlpoRun.Masked), 0, Distance(NlpoRun.Plain));
    }

    [Fact]
    public async Task What_cannot_be_distilled_is_one_error_and_leaves_nothing_behind()
    {
        var policy = _experiment.At("policy");
        var (exit, _, errors) = await DfpoProcess.Run(["distill", policy, "--out", _experiment.At("one")]);
        Assert.Equal(2, exit);
        Assert.Contains("--reference must be given", errors);
        Assert.Contains("[usage/distill]", errors);

        (exit, _, errors) = await DfpoProcess.Run([
            "distill",
            policy,
            "--policy",
            "policy",
            "--experiment",
            _experiment.At("tiny.conf"),
            "--out",
            _experiment.At("one"),
        ]);
        Assert.Equal(2, exit);
        Assert.Contains("'dfpo export' writes it", errors);

        (exit, _, errors) = await DfpoProcess.Run(["distill", policy, "--out", policy]);
        Assert.Equal(2, exit);
        Assert.Contains("[usage/output]", errors);

        (exit, _, errors) = await DfpoProcess.Run([
            "distill",
            policy,
            "--out",
            _experiment.At("one"),
            "--reference",
            policy,
            "--prompts",
            _experiment.At("test.jsonl"),
            "--test-prompts",
            _experiment.At("test.jsonl"),
            "--reward-model",
            _experiment.At("reward"),
            "--max-new-tokens",
            "3",
            "--samples-per-prompt",
            "1",
        ]);
        Assert.Equal(1, exit);
        Assert.Contains("4 samples do not fill one minibatch of 16", errors);
        Assert.False(Directory.Exists(_experiment.At("one")));
        Assert.False(Directory.Exists(_experiment.At("one.partial")));
    }
}
