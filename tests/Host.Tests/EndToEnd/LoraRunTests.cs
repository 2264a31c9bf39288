using DfPO.Host.Tests.Commands;
using DfPO.Models;
using DfPO.Models.Checkpoints;
using DfPO.Models.Lora;

namespace DfPO.Host.Tests.EndToEnd;

/// <summary>A run that learns adapters alone.</summary>
public sealed class LoraRunTests
{
    private static readonly string[] s_lora = ["--set", "model.lora.rank=2", "--set", "learner.preset=ppo"];

    [Fact]
    public async Task Its_weights_do_not_depend_on_the_workers_and_are_exported_as_an_adapter_or_merged()
    {
        using var experiment = new TinyExperiment();
        var one = await experiment.RunToEnd(s_lora);
        Assert.Equal(one, await experiment.RunToEnd([.. s_lora, "--local-workers", "2"]));

        var run = experiment.RunFolders[0];
        Assert.True(AdapterFolder.IsOne(Path.Combine(run, "final")));
        Assert.False(File.Exists(Path.Combine(run, "final", "model.safetensors")));
        Assert.Equal(0, (await DfpoProcess.Run(["export", run, experiment.At("adapter")])).ExitCode);
        Assert.Equal(0, (await DfpoProcess.Run(["export", run, experiment.At("merged"), "--merge"])).ExitCode);
        Assert.True(File.Exists(Path.Combine(experiment.At("adapter"), "adapter_config.json")));
        using var adapters = AdapterFolder.Load(experiment.At("adapter"));
        using var expected = PretrainedModels.LoadLanguageModel(experiment.At("policy"));
        adapters.Factors.AddTo(expected);
        using var merged = PretrainedModels.LoadLanguageModel(experiment.At("merged"));
        foreach (var ((_, a), (_, b)) in expected.named_parameters().Zip(merged.named_parameters()))
            Assert.Equal(a.detach().bytes.ToArray(), b.detach().bytes.ToArray());
        // What is sent of every version is a small part of the model.
        Assert.True(adapters.Factors.parameters().Sum(p => p.numel()) * 10 < expected.parameters().Sum(p => p.numel()));
    }
}
