using DfPO.Models;
using DfPO.Models.Policies;
using DfPO.Rollout.Generation;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Rollout.Tests;

public sealed class MaskedDecodingTests
{
    private const int Vocabulary = 23;

    /// <summary>The masked distribution of one state from its definition, in double precision.</summary>
    private sealed record Enumerated(double[] Policy, double[] LogRatio, double Kl)
    {
        public static Enumerated Of(CausalLM model, CausalLM reference, int[] prompt)
        {
            var (p, r) = (LogSoftmax(model, prompt), LogSoftmax(reference, prompt));
            double[] ratio = [.. p.Zip(r, (a, b) => a - b)];
            double[] probabilities = [.. p.Select(Math.Exp)];
            return new(probabilities, ratio, probabilities.Zip(ratio, (a, b) => a * b).Sum());
        }

        public bool Keeps(int token, GenerationOptions options)
        {
            var threshold = options.MaskRule == KlMaskRule.KlCentred ? Kl : 0;
            var tolerance =
                options.Tolerance
                * (options.MaskRule == KlMaskRule.Scaled ? Math.Sqrt(Policy.Zip(LogRatio, (p, l) => p * (l - Kl) * (l - Kl)).Sum()) : 1);
            return options.Policy switch
            {
                DecodingPolicy.Positive => LogRatio[token] <= threshold + tolerance,
                DecodingPolicy.Negative => LogRatio[token] >= threshold - tolerance,
                _ => true,
            };
        }

        public double[] Masked(GenerationOptions options)
        {
            double[] kept = [.. Policy.Select((p, token) => Keeps(token, options) ? p : 0)];
            return [.. kept.Select(p => p / kept.Sum())];
        }

        private static double[] LogSoftmax(CausalLM model, int[] prompt)
        {
            using var scope = NewDisposeScope();
            using var _ = no_grad();
            var logits = model.Logits(tensor(Array.ConvertAll(prompt, id => (long)id)).unsqueeze(0));
            return nn.functional.log_softmax(logits[0, -1].to(ScalarType.Float64), 0).data<double>().ToArray();
        }
    }

    public static TheoryData<DecodingPolicy, KlMaskRule, float> Masks()
    {
        var data = new TheoryData<DecodingPolicy, KlMaskRule, float>();
        foreach (var policy in Enum.GetValues<DecodingPolicy>())
        {
            foreach (var rule in Enum.GetValues<KlMaskRule>())
            {
                foreach (var tolerance in new[] { 0, 0.15f })
                    data.Add(policy, rule, tolerance);
            }
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Masks))]
    public void Tokens_come_as_often_as_enumeration_says(DecodingPolicy policy, KlMaskRule rule, float tolerance)
    {
        using var model = TinyModels.Perturbed(vocabulary: Vocabulary);
        using var reference = TinyModels.Create(vocabulary: Vocabulary);
        int[] prompt = [3, 1, 4];
        var options = new GenerationOptions
        {
            MaxNewTokens = 1,
            Policy = policy,
            MaskRule = rule,
            Tolerance = tolerance,
        };
        var state = Enumerated.Of(model, reference, prompt);
        var expected = state.Masked(options);
        Assert.True(
            policy == DecodingPolicy.Policy || expected.Count(p => p == 0) is > 2 and < Vocabulary - 2,
            "the mask must bite without being trivial"
        );

        const int Draws = 4000;
        var results = new GenerationEngine(model, reference, null).Generate(
            [.. Enumerable.Range(0, Draws).Select(i => new GenerationRequest(prompt, (ulong)i))],
            options
        );
        var counts = new int[Vocabulary];
        foreach (var result in results)
        {
            var token = result.Tokens[0];
            counts[token]++;
            Assert.Equal(Math.Log(expected[token]), result.SamplingLogprobs[0], 1e-4);
            Assert.Equal(Math.Log(state.Policy[token]), result.Logprobs[0], 1e-4);
            Assert.Equal(state.LogRatio[token], result.Logprobs[0] - result.ReferenceLogprobs[0], 1e-4);
            Assert.Equal(state.Kl, result.StateKl[0], 1e-4);
            Assert.Equal(state.Policy.Where((_, a) => state.Keeps(a, options)).Sum(), result.RetainedMass[0], 1e-5);
        }
        Assert.Equal(Draws, counts.Where((_, token) => expected[token] > 0).Sum());
        AssertChiSquare(expected, counts, Draws);
    }

    [Fact]
    public void Temperature_shapes_the_distribution_but_not_the_mask()
    {
        using var model = TinyModels.Perturbed(vocabulary: Vocabulary);
        using var reference = TinyModels.Create(vocabulary: Vocabulary);
        int[] prompt = [3, 1, 4];
        var options = new GenerationOptions
        {
            MaxNewTokens = 1,
            Policy = DecodingPolicy.Negative,
            Temperature = 0.6f,
            TopK = 5,
        };
        var state = Enumerated.Of(model, reference, prompt);
        double[] tempered = [.. state.Policy.Select((p, token) => state.Keeps(token, options) ? Math.Pow(p, 1 / 0.6) : 0)];
        var least = tempered.OrderDescending().ElementAt(4);
        double[] kept = [.. tempered.Select(p => p >= least ? p : 0)];
        double[] expected = [.. kept.Select(p => p / kept.Sum())];

        const int Draws = 2000;
        var counts = new int[Vocabulary];
        foreach (
            var result in new GenerationEngine(model, reference, null).Generate(
                [.. Enumerable.Range(0, Draws).Select(i => new GenerationRequest(prompt, (ulong)i))],
                options
            )
        )
            counts[result.Tokens[0]]++;
        AssertChiSquare(expected, counts, Draws);
    }

    [Theory]
    [InlineData(ScalarType.Float32, KlMaskRule.Sign)]
    [InlineData(ScalarType.Float32, KlMaskRule.KlCentred)]
    [InlineData(ScalarType.BFloat16, KlMaskRule.Sign)]
    [InlineData(ScalarType.BFloat16, KlMaskRule.KlCentred)]
    [InlineData(ScalarType.Float32, KlMaskRule.Scaled)]
    [InlineData(ScalarType.BFloat16, KlMaskRule.Scaled)]
    public void At_equal_weights_masks_keep_all_and_the_three_policies_are_one(ScalarType dtype, KlMaskRule rule)
    {
        using var model = TinyModels.Create(dtype: dtype);
        using var reference = TinyModels.Create(dtype: dtype);
        var engine = new GenerationEngine(model, reference, 5);
        var results = Enum.GetValues<DecodingPolicy>()
            .Select(policy =>
                engine.Generate(
                    TinyModels.Requests(18),
                    new()
                    {
                        MaxNewTokens = 24,
                        MinNewTokens = 2,
                        Policy = policy,
                        MaskRule = rule,
                    }
                )
            )
            .ToArray();
        foreach (var result in results.SelectMany(r => r))
        {
            Assert.All(result.RetainedMass, z => Assert.Equal(1f, z));
            Assert.All(result.StateKl, kl => Assert.Equal(0f, kl));
            Assert.Equal(result.Logprobs, result.ReferenceLogprobs);
            Assert.Equal(0, result.SkippedMasks);
        }
        foreach (var masked in results[1..])
        {
            Assert.Equal(results[0].Select(r => r.Tokens), masked.Select(r => r.Tokens));
            Assert.Equal(results[0].Select(r => r.SamplingLogprobs), masked.Select(r => r.SamplingLogprobs));
        }
    }

    [Fact]
    public void A_mask_under_the_mass_floor_is_skipped_and_counted()
    {
        using var model = TinyModels.Perturbed();
        using var reference = TinyModels.Create();
        var engine = new GenerationEngine(model, reference, null);
        var options = new GenerationOptions
        {
            MaxNewTokens = 20,
            Policy = DecodingPolicy.Negative,
            MassFloor = 0,
        };
        var masks = engine.Generate(TinyModels.Requests(6), options);
        Assert.All(masks, result => Assert.Equal(0, result.SkippedMasks));
        var (lowest, highest) = (masks.Min(r => r.RetainedMass.Min()), masks.Max(r => r.RetainedMass.Max()));
        var floor = (lowest + highest) / 2;

        var floored = engine.Generate(TinyModels.Requests(6), options with { MassFloor = floor });
        Assert.True(floored.Sum(r => r.SkippedMasks) > 0);
        foreach (var result in floored)
        {
            Assert.All(result.RetainedMass, z => Assert.True(z >= floor));
            Assert.Equal(result.RetainedMass.Count(z => z == 1), result.SkippedMasks);
            for (var i = 0; i < result.Tokens.Length; i++)
            {
                if (result.RetainedMass[i] == 1)
                    Assert.Equal(result.Logprobs[i], result.SamplingLogprobs[i], 1e-5);
            }
        }
    }

    [Fact]
    public void A_mask_that_leaves_only_the_forbidden_end_of_text_is_skipped()
    {
        // Of two tokens one has l <= 0: where that is the forbidden one, the mask leaves nothing.
        using var model = TinyModels.Create(vocabulary: 2);
        using var reference = TinyModels.Perturbed(vocabulary: 2);
        var results = new GenerationEngine(model, reference, endOfText: 1).Generate(
            TinyModels.Requests(8, vocabulary: 2),
            new()
            {
                MaxNewTokens = 12,
                MinNewTokens = 12,
                Policy = DecodingPolicy.Positive,
                MassFloor = 0,
            }
        );
        Assert.True(results.Sum(r => r.SkippedMasks) > 0);
        Assert.All(results, result => Assert.All(result.Tokens, token => Assert.Equal(0, token)));
    }

    /// <summary>
    /// Fixed seeds: the statistic is the same each run. The limit is four standard deviations of chi-square above its mean.
    /// </summary>
    private static void AssertChiSquare(double[] expected, int[] counts, int draws)
    {
        double statistic = 0,
            rare = 0,
            rareCount = 0;
        var cells = 0;
        for (var token = 0; token < expected.Length; token++)
        {
            if (expected[token] * draws < 5)
            {
                rare += expected[token] * draws;
                rareCount += counts[token];
                continue;
            }
            statistic += Math.Pow(counts[token] - expected[token] * draws, 2) / (expected[token] * draws);
            cells++;
        }
        if (rare > 0)
        {
            statistic += Math.Pow(rareCount - rare, 2) / rare;
            cells++;
        }
        Assert.True(cells > 3, "too few cells to test");
        Assert.True(statistic < cells - 1 + 4 * Math.Sqrt(2 * (cells - 1)), $"chi-square {statistic} with {cells} cells");
    }
}
