using DfPO.Models;
using DfPO.Models.Policies;
using DfPO.Rollout.Generation;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Rollout.Tests;

/// <summary>
/// Cross-entropy, entropy and KL are those of the distribution that is drawn from: checked by enumeration, in double precision, at every
/// state.
/// </summary>
public sealed class DecodingFiguresTests
{
    private const int Vocabulary = 23,
        Eos = 5;

    public static TheoryData<string> Decodings => [.. s_decodings.Keys];

    private static readonly Dictionary<string, GenerationOptions> s_decodings = new()
    {
        ["pi_theta"] = new(),
        ["pi-"] = new() { Policy = DecodingPolicy.Negative },
        ["pi+"] = new() { Policy = DecodingPolicy.Positive },
        ["pi- with a tolerance"] = new() { Policy = DecodingPolicy.Negative, Tolerance = 0.15f },
        ["pi-, kl-centred, tempered"] = new()
        {
            Policy = DecodingPolicy.Negative,
            MaskRule = KlMaskRule.KlCentred,
            Temperature = 0.7f,
        },
        ["pi-, scaled"] = new()
        {
            Policy = DecodingPolicy.Negative,
            MaskRule = KlMaskRule.Scaled,
            Tolerance = 0.4f,
        },
        ["pi- with a floor that skips"] = new() { Policy = DecodingPolicy.Negative, MassFloor = 0.6f },
        ["temperature"] = new() { Temperature = 0.6f },
        ["top-k"] = new() { TopK = 5 },
        ["top-p"] = new() { TopP = 0.7f },
        ["no end"] = new() { MinNewTokens = 8 },
        ["no repeated word"] = new() { NoRepeatNgramSize = 1, RepetitionPenalty = 1.3f },
        ["nlpo"] = new() { MaskTopP = 0.6, MaskMinTokens = 3 },
        ["nlpo, tempered, top-k"] = new()
        {
            MaskTopP = 0.8,
            Temperature = 1.4f,
            TopK = 4,
            MinNewTokens = 8,
        },
    };

    [Theory]
    [MemberData(nameof(Decodings))]
    public void They_are_those_of_the_distribution_that_is_drawn_from(string name)
    {
        var options = s_decodings[name] with { MaxNewTokens = 8 };
        using LanguageModel model = TinyModels.Perturbed(vocabulary: Vocabulary, by: 0.1),
            reference = TinyModels.Create(vocabulary: Vocabulary),
            mask = TinyModels.Perturbed(seed: 1, by: 0.03, vocabulary: Vocabulary);
        var results = new GenerationEngine(model, reference, Eos, mask).Generate(TinyModels.Requests(9, vocabulary: Vocabulary), options);

        double drawn = 0,
            ofPolicy = 0;
        foreach (var result in results)
        {
            var (policy, initial, masked) = (LogSoftmax(model, result), LogSoftmax(reference, result), LogSoftmax(mask, result));
            double crossEntropy = 0,
                entropy = 0,
                kl = 0;
            for (var step = 0; step < result.Tokens.Length; step++)
            {
                var q = Drawn(policy[step], initial[step], masked[step], options, [.. result.PromptTokens, .. result.Tokens[..step]], step);
                Assert.Equal(Math.Log(q[result.Tokens[step]]), result.SamplingLogprobs[step], 1e-3);
                crossEntropy -= Enumerable.Range(0, Vocabulary).Sum(a => q[a] * initial[step][a]);
                entropy -= q.Sum(p => p > 0 ? p * Math.Log(p) : 0);
                kl += Enumerable.Range(0, Vocabulary).Sum(a => q[a] > 0 ? q[a] * (Math.Log(q[a]) - initial[step][a]) : 0);
            }
            var figures = result.Figures!.Value;
            Assert.Equal(crossEntropy, figures.CrossEntropy, 1e-3);
            Assert.Equal(entropy, figures.Entropy, 1e-3);
            Assert.Equal(kl, figures.Kl, 1e-3);
            // The chain rule, exactly: what is left over is in no digit that is shown.
            Assert.Equal(figures.CrossEntropy, figures.Entropy + figures.Kl, 1e-12);
            drawn += figures.Kl;
            ofPolicy += result.StateKl.Sum(value => (double)value);
        }
        if (name == "pi_theta")
            Assert.Equal(ofPolicy, drawn, 1e-3);
        else
            Assert.True(
                Math.Abs(drawn - ofPolicy) > 0.1,
                $"the decoding must differ from the policy to be worth a test: {drawn} and {ofPolicy}"
            );
    }

    [Fact]
    public void At_equal_weights_nothing_drifts_but_what_is_forbidden()
    {
        using LanguageModel model = TinyModels.Create(vocabulary: Vocabulary),
            reference = TinyModels.Create(vocabulary: Vocabulary);
        var engine = new GenerationEngine(model, reference, Eos);
        foreach (var policy in Enum.GetValues<DecodingPolicy>())
        {
            Assert.All(
                engine.Generate(TinyModels.Requests(5, vocabulary: Vocabulary), new() { MaxNewTokens = 6, Policy = policy }),
                result => Assert.Equal(0, result.Figures!.Value.Kl)
            );
            // Forbidding the end is a decoding of its own: -log(1 - p(end)) a state.
            Assert.All(
                engine.Generate(
                    TinyModels.Requests(5, vocabulary: Vocabulary),
                    new()
                    {
                        MaxNewTokens = 6,
                        MinNewTokens = 6,
                        Policy = policy,
                    }
                ),
                result => Assert.True(result.Figures!.Value.Kl > 0)
            );
        }
    }

    [Fact]
    public void A_beam_search_draws_nothing_and_an_engine_without_reference_knows_nothing()
    {
        using LanguageModel model = TinyModels.Perturbed(vocabulary: Vocabulary),
            reference = TinyModels.Create(vocabulary: Vocabulary);
        var beams = new GenerationEngine(model, reference, Eos).Generate(
            TinyModels.Requests(3, vocabulary: Vocabulary),
            new() { MaxNewTokens = 6, NumBeams = 3 }
        );
        Assert.All(beams, result => Assert.Null(result.Figures));
        Assert.All(beams, result => Assert.All(result.StateKl, kl => Assert.True(kl > 0)));
        Assert.All(
            new GenerationEngine(model, null, Eos).Generate(TinyModels.Requests(3, vocabulary: Vocabulary), new() { MaxNewTokens = 6 }),
            result => Assert.Null(result.Figures)
        );
    }

    [Theory]
    [MemberData(nameof(ArchitectureGenerationTests.All), MemberType = typeof(ArchitectureGenerationTests))]
    public void Every_architecture_is_measured_where_it_was_drawn(string name)
    {
        using LanguageModel model = Architectures.Perturbed(name, by: 0.1),
            reference = Architectures.Create(name);
        // With one token left to draw, q is a point: its cross-entropy is the drawn token's, and its entropy 0.
        foreach (
            var result in new GenerationEngine(model, reference, 1).Generate(
                [new([4, 5], 1), new([6, 7, 8], 2)],
                new()
                {
                    MaxNewTokens = 6,
                    TopK = 1,
                    NoRepeatNgramSize = 1,
                }
            )
        )
        {
            Assert.Equal(-result.ReferenceLogprobs.Sum(value => (double)value), result.Figures!.Value.CrossEntropy, 1e-3);
            Assert.Equal(0, result.Figures.Value.Entropy, 1e-3);
        }
    }

    /// <summary>The distribution that the options say, from its definition.</summary>
    private static double[] Drawn(double[] policy, double[] reference, double[] mask, GenerationOptions options, int[] text, int step)
    {
        double[] logits = [.. policy];
        var ratios = policy.Zip(reference, (p, r) => p - r).ToArray();
        var kl = policy.Zip(ratios, (p, l) => Math.Exp(p) * l).Sum();
        foreach (var token in text.Distinct())
        {
            if (options.RepetitionPenalty != 1)
                logits[token] *= options.RepetitionPenalty;
            if (options.NoRepeatNgramSize == 1)
                logits[token] = double.NegativeInfinity;
        }
        if (step < options.MinNewTokens)
            logits[Eos] = double.NegativeInfinity;
        if (options.Policy != DecodingPolicy.Policy)
        {
            var threshold = options.MaskRule == KlMaskRule.KlCentred ? kl : 0;
            var tolerance =
                options.Tolerance
                * (
                    options.MaskRule == KlMaskRule.Scaled
                        ? Math.Sqrt(policy.Zip(ratios, (p, l) => Math.Exp(p) * (l - kl) * (l - kl)).Sum())
                        : 1
                );
            bool Keeps(int a) =>
                options.Policy == DecodingPolicy.Positive ? ratios[a] <= threshold + tolerance : ratios[a] >= threshold - tolerance;
            var kept = Enumerable.Range(0, Vocabulary).Where(Keeps).Sum(a => Math.Exp(logits[a])) / logits.Sum(Math.Exp);
            if (kept > 0 && kept >= options.MassFloor)
                logits = [.. logits.Select((x, a) => Keeps(a) ? x : double.NegativeInfinity)];
        }
        if (options.MaskTopP < 1)
        {
            HashSet<int> allowed = [.. Nucleus(mask, options.MaskTopP, options.MaskMinTokens), Eos];
            double[] inside = [.. logits.Select((x, a) => allowed.Contains(a) ? x : double.NegativeInfinity)];
            logits = inside.Any(double.IsFinite) ? inside : logits;
        }
        logits = [.. logits.Select(x => x / options.Temperature)];
        if (options.TopK > 0 && logits.OrderDescending().ElementAt(options.TopK - 1) is var least)
            logits = [.. logits.Select(x => x >= least ? x : double.NegativeInfinity)];
        if (options.TopP < 1 && Nucleus(logits, options.TopP, 1).ToHashSet() is var nucleus)
            logits = [.. logits.Select((x, a) => nucleus.Contains(a) ? x : double.NegativeInfinity)];
        var total = logits.Sum(Math.Exp);
        return [.. logits.Select(x => Math.Exp(x) / total)];
    }

    private static IEnumerable<int> Nucleus(double[] logits, double p, int least)
    {
        var (total, mass) = (logits.Sum(Math.Exp), 0.0);
        foreach (var (rank, token) in Enumerable.Range(0, logits.Length).OrderByDescending(token => logits[token]).Index())
        {
            if (mass / total >= p && rank >= least)
                yield break;
            mass += Math.Exp(logits[token]);
            yield return token;
        }
    }

    /// <summary>A model's log-probabilities at each state of a continuation.</summary>
    private static double[][] LogSoftmax(LanguageModel model, GeneratedSequence sequence)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var batch = TeacherForcedBatch.Create(model, [(sequence.PromptTokens, sequence.Tokens)], CPU);
        var rows = nn
            .functional.log_softmax(model.Head(batch.SelectStates(model.Hidden(batch.Input))).to(ScalarType.Float64), 1)
            .contiguous()
            .data<double>()
            .ToArray();
        return [.. rows.Chunk(Vocabulary)];
    }
}
