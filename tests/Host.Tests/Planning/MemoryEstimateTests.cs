using DfPO.Actors.Experiments;
using DfPO.Host.Planning;
using DfPO.Models;

namespace DfPO.Host.Tests.Planning;

public sealed class MemoryEstimateTests
{
    [Theory]
    [InlineData("gpt2", "gpt2")]
    [InlineData("gptj", "bert")]
    [InlineData("t5", "distilbert")]
    public void Every_part_of_a_run_needs_memory_whatever_the_architecture(string fixture, string classifier)
    {
        var (policy, reward) = (PretrainedModels.ReadConfig(Repository.Path($"tests/fixtures/{fixture}")), PretrainedModels.ReadClassifierSize(Repository.Path($"tests/fixtures/{classifier}")));

        var estimate = MemoryEstimate.Of(new ExperimentConfig(), policy, reward);

        Assert.All(estimate.Parts, part => Assert.True(part.Bytes > 0, part.What));
        using var model = PretrainedModels.LoadLanguageModel(Repository.Path($"tests/fixtures/{fixture}"));
        Assert.Equal(4.0 * model.parameters().Sum(parameter => parameter.numel()), estimate.Parts.Single(part => part.What == "learner: policy weights").Bytes);
    }
}
