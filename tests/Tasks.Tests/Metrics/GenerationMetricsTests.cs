using System.Text.Json;
using DfPO.Models;
using DfPO.Tasks.Metrics;

namespace DfPO.Tasks.Tests.Metrics;

public sealed class GenerationMetricsTests
{
    [Fact]
    public void FiguresAreThoseWorkedOutByHand()
    {
        var metrics = GenerationMetrics.Compute(
        [
            new EvaluatedContinuation("Good, good film", Tokens: 4, Reward: 0.9, Logprob: -3, ReferenceLogprob: -4 * Math.Log(8), Kl: 1.0),
            new EvaluatedContinuation("bad film", Tokens: 2, Reward: 0.2, Logprob: -1, ReferenceLogprob: -2 * Math.Log(2), Kl: 0.2),
        ]);

        Assert.Equal(0.55, metrics.Reward, 12);
        // Pooled over six tokens: exp((4 ln 8 + 2 ln 2) / 6) = 2^(14/6), not the mean of 8 and 2.
        Assert.Equal(Math.Pow(2, 14 / 6.0), metrics.Perplexity, 12);
        Assert.Equal(4 / 6.0, metrics.Distinct1, 12);
        Assert.Equal(4 / 4.0, metrics.Distinct2, 12);
        Assert.Equal(3, metrics.Length, 12);
        Assert.Equal(0.2, metrics.Kl, 12);
    }

    [Fact]
    public void ContinuationsWithoutTokensCountForLengthAndRewardOnly()
    {
        var metrics = GenerationMetrics.Compute([new("", 0, 1, 0, 0, 0), new("a", 1, 0, -1, -Math.Log(5), 0.5)]);

        Assert.Equal((0.5, 0.5, 0.5), (metrics.Reward, metrics.Length, metrics.Kl));
        Assert.Equal(5, metrics.Perplexity, 12);
    }

    [Fact]
    public void NothingGeneratedIsAnErrorAndNotANumber()
    {
        Assert.Equal("metrics/empty", Assert.Throws<DfpoException>(() => GenerationMetrics.Compute([])).Code);
        Assert.Equal("metrics/empty", Assert.Throws<DfpoException>(() => GenerationMetrics.Compute([new("", 0, 1, 0, 0, 0)])).Code);
    }

    [Fact]
    [Trait("Category", "Fixtures")]
    public void DistinctEqualsGemMetrics()
    {
        using var fixture = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Repository.Fixtures, "metrics", "expected.json")));
        // The fixture's words are Treebank's, which are those between spaces there; ours part hyphenated words and decimals further.
        var words = fixture.RootElement.GetProperty("items").EnumerateArray().Select(item => item.GetProperty("generation").GetString()!.ToLowerInvariant().Split(' ')).ToArray();
        var gem = fixture.RootElement.GetProperty("diversity").GetProperty("values");

        Assert.NotEmpty(words);
        Assert.Equal(gem.GetProperty("total_length").GetDouble(), words.Sum(w => w.Length));
        for (var n = 1; n <= 3; n++)
            Assert.Equal(gem.GetProperty($"distinct-{n}").GetDouble(), WordTokens.Distinct(words, n), 12);
    }
}
