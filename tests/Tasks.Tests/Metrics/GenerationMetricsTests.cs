using System.Text.Json;
using DfPO.Models;
using DfPO.Models.Policies;
using DfPO.Tasks.Metrics;

namespace DfPO.Tasks.Tests.Metrics;

public sealed class GenerationMetricsTests
{
    [Fact]
    public void FiguresAreThoseWorkedOutByHand()
    {
        // Six tokens: cross-entropy ln 8 and ln 4 a token, of which the KL is 0.25 and 0.1; what was drawn had another likelihood.
        Sample[] samples =
        [
            new("a", "p", "Good, good film", 0.9)
            {
                Tokens = 4,
                DrawnCrossEntropy = 4 * Math.Log(8),
                PolicyKl = 0.4,
                Decoding = new(4 * Math.Log(4), 1),
            },
            new("b", "p", "bad film", 0.2)
            {
                Tokens = 2,
                DrawnCrossEntropy = 2 * Math.Log(2),
                PolicyKl = 0.2,
                Decoding = new(2 * Math.Log(16), 0.2),
            },
        ];

        var metrics = GenerationMetrics.Compute(samples);

        Assert.Equal(0.55, metrics.Reward, 12);
        // Pooled over six tokens: exp((4 ln 4 + 2 ln 16) / 6) = 2^(16/6), not the mean of 4 and 16.
        Assert.Equal(Math.Pow(2, 16 / 6.0), metrics.Perplexity, 12);
        Assert.Equal(Math.Pow(2, 14 / 6.0), metrics.DrawnPerplexity, 12);
        Assert.Equal(0.2, metrics.Kl, 12);
        Assert.Equal(0.1, metrics.PolicyKl, 12);
        Assert.Equal(Math.Log(metrics.Perplexity), metrics.Entropy + metrics.Kl, 12);
        Assert.Equal(4 / 6.0, metrics.Distinct1, 12);
        Assert.Equal(4 / 4.0, metrics.Distinct2, 12);
        Assert.Equal(3, metrics.Length, 12);
    }

    [Fact]
    public void ABeamSearchHasAPerplexityButNeitherEntropyNorKl()
    {
        var metrics = GenerationMetrics.Compute([
            new("a", "p", "film", 0)
            {
                Tokens = 2,
                DrawnCrossEntropy = 2 * Math.Log(5),
                PolicyKl = 0.6,
            },
        ]);

        Assert.Equal((5, 5, 0.3), (Math.Round(metrics.Perplexity, 9), Math.Round(metrics.DrawnPerplexity, 9), metrics.PolicyKl));
        Assert.True(double.IsNaN(metrics.Entropy) && double.IsNaN(metrics.Kl));
    }

    [Fact]
    public void ContinuationsWithoutTokensCountForLengthAndRewardOnly()
    {
        var metrics = GenerationMetrics.Compute([
            new("a", "p", "", 1) { Decoding = default(DecodingFigures) },
            new("b", "p", "a", 0) { Tokens = 1, Decoding = new(Math.Log(5), 0.5) },
        ]);

        Assert.Equal((0.5, 0.5, 0.5), (metrics.Reward, metrics.Length, metrics.Kl));
        Assert.Equal(5, metrics.Perplexity, 12);
    }

    [Fact]
    public void NothingGeneratedIsAnErrorAndNotANumber()
    {
        Assert.Equal("metrics/empty", Assert.Throws<DfpoException>(() => GenerationMetrics.Compute([])).Code);
        Assert.Equal("metrics/empty", Assert.Throws<DfpoException>(() => GenerationMetrics.Compute([new("a", "p", "", 1)])).Code);
    }

    [Fact]
    [Trait("Category", "Fixtures")]
    public void DistinctEqualsGemMetrics()
    {
        using var fixture = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Repository.Fixtures, "metrics", "expected.json")));
        // The fixture's words are Treebank's, which are those between spaces there; ours part hyphenated words and decimals further.
        var words = fixture
            .RootElement.GetProperty("items")
            .EnumerateArray()
            .Select(item => item.GetProperty("generation").GetString()!.ToLowerInvariant().Split(' '))
            .ToArray();
        var gem = fixture.RootElement.GetProperty("diversity").GetProperty("values");

        Assert.NotEmpty(words);
        Assert.Equal(gem.GetProperty("total_length").GetDouble(), words.Sum(w => w.Length));
        for (var n = 1; n <= 3; n++)
            Assert.Equal(gem.GetProperty($"distinct-{n}").GetDouble(), WordTokens.Distinct(words, n), 12);
    }
}
