using DfPO.Host.Planning;
using DfPO.Models;
using DfPO.Models.Gpt2;

namespace DfPO.Host.Tests.Planning;

public sealed class MemoryEstimateTests
{
    [Fact]
    public void Gpt2_small_has_its_published_number_of_parameters() =>
        Assert.Equal(124_439_808, MemoryEstimate.Parameters(new Gpt2Config { VocabSize = 50257, NPositions = 1024, NEmbd = 768, NLayer = 12, NHead = 12 }));

    [Fact]
    public void A_model_has_the_parameters_that_are_counted()
    {
        var config = PretrainedModels.ReadConfig<Gpt2Config>(Repository.Path("tests/fixtures/gpt2"));
        using var model = new Gpt2LMHeadModel(config);
        Assert.Equal(model.parameters().DistinctBy(parameter => parameter.Handle).Sum(parameter => parameter.numel()), MemoryEstimate.Parameters(config));
    }
}
