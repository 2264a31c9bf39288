using System.Numerics.Tensors;
using DfPO.Models;
using DfPO.Rollout.Sampling;

namespace DfPO.Rollout.Tests;

public sealed class LogitFiltersTests
{
    [Theory]
    [Trait("Category", "Fixtures")]
    [InlineData("temperature_0.7")]
    [InlineData("top_k_5")]
    [InlineData("top_p_0.8")]
    [InlineData("top_p_0.1")]
    [InlineData("min_length_8_eos_3")]
    public void A_filter_gives_what_the_original_processor_gives(string name)
    {
        var expected = Fixtures.Expected("logits_processors");
        var number = float.Parse(name.Split('_').Last(), System.Globalization.CultureInfo.InvariantCulture);
        var rows = expected["scores"]!.AsArray().Zip(expected[name]!.AsArray()).ToArray();
        Assert.NotEmpty(rows);
        foreach (var (scores, filtered) in rows)
        {
            var row = Fixtures.Floats(scores);
            if (name.StartsWith("temperature"))
                LogitFilters.Temperature(row, number);
            else if (name.StartsWith("top_k"))
                LogitFilters.TopK(row, (int)number);
            else if (name.StartsWith("top_p"))
                LogitFilters.TopP(row, number);
            else
                LogitFilters.Forbid(row, (int)number);
            AssertClose(Fixtures.Floats(filtered), row, 1e-5f);
        }
    }

    [Theory]
    [Trait("Category", "Fixtures")]
    [InlineData("repetition_penalty_1.5")]
    [InlineData("no_repeat_ngram_2")]
    [InlineData("no_repeat_ngram_3")]
    public void A_filter_that_reads_the_text_gives_what_the_original_processor_gives(string name)
    {
        var expected = Fixtures.Expected("logits_processors");
        var number = float.Parse(name.Split('_').Last(), System.Globalization.CultureInfo.InvariantCulture);
        var rows = expected["scores"]!.AsArray().Count;
        for (var row = 0; row < rows; row++)
        {
            var (scores, text) = (Fixtures.Floats(expected["scores"]![row]), Fixtures.Ints(expected["input_ids"]![row]));
            if (name.StartsWith("repetition"))
                LogitFilters.RepetitionPenalty(scores, text, number);
            else
                LogitFilters.NoRepeatNgram(scores, text, (int)number);
            AssertClose(Fixtures.Floats(expected[name]![row]), scores, 1e-5f);
        }
    }

    [Theory]
    [InlineData(1, "1 2 3 1 2", "1 2 3")]
    [InlineData(2, "1 2 3 1 2", "3")]
    [InlineData(2, "4 4", "4")]
    [InlineData(2, "4", "")]
    [InlineData(3, "1 2 3 1 2", "3")]
    [InlineData(4, "1 2 3 1 2", "")]
    [InlineData(9, "1 2 3", "")]
    public void Exactly_the_tokens_that_would_repeat_an_ngram_are_forbidden(int n, string text, string forbidden)
    {
        static int[] Ids(string list) => [.. list.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse)];
        var logits = new float[6];

        LogitFilters.NoRepeatNgram(logits, Ids(text), n);

        Assert.Equal(Ids(forbidden), Enumerable.Range(0, 6).Where(token => float.IsNegativeInfinity(logits[token])));
    }

    [Fact]
    [Trait("Category", "Fixtures")]
    public void Temperature_top_k_and_top_p_in_a_row_give_the_original_distribution()
    {
        var expected = Fixtures.Expected("logits_processors");
        foreach (
            var (scores, probabilities) in expected["scores"]!.AsArray().Zip(expected["temp0.7_topk8_topp0.9_then_softmax"]!.AsArray())
        )
        {
            var row = Fixtures.Floats(scores);
            LogitFilters.Temperature(row, 0.7f);
            LogitFilters.TopK(row, 8);
            LogitFilters.TopP(row, 0.9f);
            TensorPrimitives.SoftMax(row, row);
            AssertClose(Fixtures.Floats(probabilities), row, 1e-5f);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(400)]
    [InlineData(999)]
    [InlineData(1000)]
    [InlineData(5000)]
    public void Top_k_keeps_what_sorting_would_keep(int k)
    {
        var logits = RandomRow(1000, seed: 3);
        var sorted = logits.OrderDescending().ToArray();
        var filtered = logits.ToArray();
        LogitFilters.TopK(filtered, k);
        var threshold = sorted[Math.Min(k, sorted.Length) - 1];
        Assert.Equal(logits.Select(x => x >= threshold ? x : float.NegativeInfinity), filtered);
    }

    [Theory]
    [InlineData(0.05f, 3)]
    [InlineData(0.5f, 3)]
    [InlineData(0.95f, 3)]
    [InlineData(0.9f, 0)] // all logits equal
    [InlineData(0.9f, 200)] // far beyond the range of the bins
    public void Top_p_keeps_the_smallest_set_that_reaches_p(float p, float spread)
    {
        var logits = RandomRow(1000, seed: 4, spread);
        var filtered = logits.ToArray();
        LogitFilters.TopP(filtered, p);

        var weights = logits.Select(x => Math.Exp(x - logits.Max())).ToArray();
        var kept = Enumerable.Range(0, logits.Length).Where(i => !float.IsNegativeInfinity(filtered[i])).ToArray();
        var mass = kept.Sum(i => weights[i]) / weights.Sum();
        Assert.True(mass >= p - 1e-6, $"{kept.Length} tokens hold {mass}");
        var least = kept.Min(i => weights[i]) / weights.Sum();
        Assert.True(kept.Length == 1 || mass - least < p + 1e-6, "the least likely of those kept was not needed");
        Assert.True(kept.Min(i => logits[i]) >= Enumerable.Range(0, logits.Length).Except(kept).Max(i => logits[i]));
        Assert.All(kept, i => Assert.Equal(logits[i], filtered[i]));
    }

    private static float[] RandomRow(int length, ulong seed, float spread = 3) =>
        [
            .. Enumerable
                .Range(0, length)
                .Select(i =>
                    spread * (float)(CounterRandom.Uniform(seed, (ulong)i) + CounterRandom.Uniform(seed, (ulong)(i + length)) - 1)
                ),
        ];

    private static void AssertClose(float[] expected, float[] actual, float tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++)
            Assert.True(
                expected[i] == actual[i] || Math.Abs(expected[i] - actual[i]) <= tolerance,
                $"[{i}]: expected {expected[i]}, got {actual[i]}"
            );
    }
}
