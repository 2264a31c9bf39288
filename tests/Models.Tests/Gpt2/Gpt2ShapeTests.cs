using DfPO.Models.Gpt2;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Tests.Gpt2;

/// <summary>The published sizes, built on the meta device, where a tensor has a shape and no bytes.</summary>
public sealed class Gpt2ShapeTests
{
    [Theory]
    [InlineData("gpt2", 12, 768, 12, 124_439_808)]
    [InlineData("gpt2-medium", 24, 1024, 16, 354_823_168)]
    [InlineData("gpt2-large", 36, 1280, 20, 774_030_080)]
    [InlineData("gpt2-xl", 48, 1600, 25, 1_557_611_200)]
    public void NamesShapesAndTotalAreThePublishedOnes(string name, int layers, int width, int heads, long total)
    {
        Assert.StartsWith("gpt2", name);
        using var model = new Gpt2LMHeadModel(Config(layers, width, heads), device(DeviceType.META));

        var shapes = model.named_parameters().ToDictionary(p => p.name, p => string.Join(',', p.parameter.shape));

        var expected = new Dictionary<string, string>
        {
            ["transformer.wte.weight"] = $"50257,{width}",
            ["transformer.wpe.weight"] = $"1024,{width}",
        };
        for (var layer = 0; layer < layers; layer++)
        {
            var block = $"transformer.h.{layer}.";
            foreach (var norm in new[] { block + "ln_1", block + "ln_2" })
                (expected[norm + ".weight"], expected[norm + ".bias"]) = ($"{width}", $"{width}");
            foreach (
                var (linear, from, to) in new[]
                {
                    ("attn.c_attn", width, 3 * width),
                    ("attn.c_proj", width, width),
                    ("mlp.c_fc", width, 4 * width),
                    ("mlp.c_proj", 4 * width, width),
                }
            )
                (expected[block + linear + ".weight"], expected[block + linear + ".bias"]) = ($"{from},{to}", $"{to}");
        }
        (expected["transformer.ln_f.weight"], expected["transformer.ln_f.bias"]) = ($"{width}", $"{width}");
        Assert.Equal(expected.OrderBy(p => p.Key), shapes.OrderBy(p => p.Key));
        Assert.Equal(total, model.parameters().Sum(p => p.numel()));
        Assert.Equal(total, model.Config.ParameterCount);
        Assert.All(model.parameters(), p => Assert.Equal(DeviceType.META, p.device_type));
    }

    [Fact]
    public void AnUntiedHeadAddsItsWeightAndAClassifierItsScore()
    {
        using var untied = new Gpt2LMHeadModel(Config(12, 768, 12) with { TieWordEmbeddings = false }, device(DeviceType.META));
        using var classifier = new Gpt2ForSequenceClassification(
            Config(12, 768, 12) with
            {
                Labels = ["a", "b", "c"],
            },
            device(DeviceType.META)
        );

        Assert.Equal(untied.parameters().Sum(p => p.numel()), untied.Config.ParameterCount);
        Assert.Equal([50257L, 768], untied.named_parameters().Single(p => p.name == "lm_head.weight").parameter.shape);
        Assert.Equal([3L, 768], classifier.named_parameters().Single(p => p.name == "score.weight").parameter.shape);
    }

    [Fact]
    public void ParametersAreCountedWhateverTheFieldsSay()
    {
        var config = new Gpt2Config
        {
            VocabSize = 7,
            NPositions = 5,
            NEmbd = 6,
            NLayer = 3,
            NHead = 2,
            NInner = 10,
        };
        using var model = new Gpt2LMHeadModel(config, device(DeviceType.META));

        Assert.Equal(model.parameters().Sum(p => p.numel()), config.ParameterCount);
        Assert.Equal(long.MaxValue, (config with { NEmbd = int.MaxValue, NLayer = int.MaxValue }).ParameterCount);
    }

    private static Gpt2Config Config(int layers, int width, int heads) =>
        new()
        {
            VocabSize = 50257,
            NPositions = 1024,
            NEmbd = width,
            NLayer = layers,
            NHead = heads,
        };
}
