using System.Text.Json.Nodes;
using DfPO.Host.Tests.EndToEnd;
using DfPO.Models;

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
        var (exit, text, errors) = await DfpoProcess.Run(["distill", run, "--out", output, "--json", "--minibatch-size", "8", "--learning-rate", "1e-2", "--batch-size", "32"]);
        Assert.Equal((0, ""), (exit, errors));
        var report = JsonNode.Parse(text)!;
        double Reward(string model) => (double)report[model]!["reward"]!;
        Assert.All(["reference", "policy", "negative", "distilled"], model => Assert.True((double)report[model]!["perplexity"]! > 1));
        Assert.Equal(0, (double)report["reference"]!["kl"]!, 1e-6);
        if (Reward("negative") > Reward("reference"))
            Assert.Equal((Reward("distilled") - Reward("reference")) / (Reward("negative") - Reward("reference")), (double)report["gain_survives"]!, 1e-9);
        else
            Assert.Null(report["gain_survives"]);
        using var model = PretrainedModels.LoadLanguageModel(output);
        Assert.NotEqual(File.ReadAllBytes(Path.Combine(_experiment.At("policy"), "model.safetensors")), File.ReadAllBytes(Path.Combine(output, "model.safetensors")));
    }

    [Fact]
    public async Task What_cannot_be_distilled_is_one_error_and_leaves_nothing_behind()
    {
        var policy = _experiment.At("policy");
        var (exit, _, errors) = await DfpoProcess.Run(["distill", policy, "--out", _experiment.At("one")]);
        Assert.Equal(2, exit);
        Assert.Contains("is not a run's folder, so --reference must be given. [usage/distill]", errors);

        (exit, _, errors) = await DfpoProcess.Run(["distill", policy, "--out", policy]);
        Assert.Equal(2, exit);
        Assert.Contains("[usage/output]", errors);

        (exit, _, errors) = await DfpoProcess.Run(["distill", policy, "--out", _experiment.At("one"), "--reference", policy, "--prompts", _experiment.At("test.jsonl"),
            "--test-prompts", _experiment.At("test.jsonl"), "--reward-model", _experiment.At("reward"), "--max-new-tokens", "3", "--samples-per-prompt", "1"]);
        Assert.Equal(1, exit);
        Assert.Contains("4 samples do not fill one minibatch of 16", errors);
        Assert.False(Directory.Exists(_experiment.At("one")));
        Assert.False(Directory.Exists(_experiment.At("one.partial")));
    }
}
