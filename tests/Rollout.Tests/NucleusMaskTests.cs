using DfPO.Models;
using DfPO.Models.Policies;
using DfPO.Rollout.Generation;
using DfPO.Rollout.Sampling;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Rollout.Tests;

/// <summary>NLPO's mask: only the likely tokens of a mask policy may be drawn.</summary>
public sealed class NucleusMaskTests
{
    private const int Vocabulary = 23;

    [Theory]
    [InlineData(12, 0.7, 1)]
    [InlineData(12, 0.7, 5)]
    [InlineData(12, 0.05, 1)]
    [InlineData(12, 1, 1)]
    [InlineData(2000, 0.9, 100)]
    [InlineData(2000, 0.3, 700)]
    [InlineData(40, 0.9, 100)]
    public void The_likeliest_tokens_up_to_p_the_least_number_and_the_end_of_text_are_allowed(int vocabulary, double topP, int least)
    {
        var random = new Random(5);
        var allowed = new float[vocabulary];
        for (var row = 0; row < 20; row++)
        {
            float[] mask = [.. Enumerable.Range(0, vocabulary).Select(_ => (float)(random.NextDouble() * 8))];
            NucleusMask.Allow(mask, topP, least, 3, allowed);
            var expected = Allowed(mask, topP, least, eos: 3);
            for (var token = 0; token < vocabulary; token++)
                Assert.Equal(expected.Contains(token) ? mask[token] : float.NegativeInfinity, allowed[token]);
        }
    }

    [Fact]
    public void Tokens_come_as_often_as_enumeration_says()
    {
        using var model = TinyModels.Perturbed(by: 0.15, vocabulary: Vocabulary);
        using var reference = TinyModels.Create(vocabulary: Vocabulary);
        using var mask = TinyModels.Perturbed(seed: 1, by: 0.1, vocabulary: Vocabulary);
        int[] prompt = [3, 1, 4];
        var options = new GenerationOptions
        {
            MaxNewTokens = 1,
            MaskTopP = 0.5,
            MaskMinTokens = 4,
        };
        var (logits, maskLogits) = (Logits(model, prompt, [0])[0], Logits(mask, prompt, [0])[0]);
        double[] policy = [.. logits.Select(x => Math.Exp(x - logits.Max()))];
        policy = [.. policy.Select(p => p / policy.Sum())];
        var eos = Array.IndexOf(maskLogits, maskLogits.Min());
        var allowed = Allowed(maskLogits, 0.5, 4, eos);
        var mass = policy.Where((_, token) => allowed.Contains(token)).Sum();
        double[] expected = [.. policy.Select((p, token) => allowed.Contains(token) ? p / mass : 0)];
        Assert.InRange(allowed.Count, 5, Vocabulary - 3);

        const int Draws = 4000;
        GenerationRequest[] requests = [.. Enumerable.Range(0, Draws).Select(i => new GenerationRequest(prompt, (ulong)i))];
        var counts = new int[Vocabulary];
        foreach (var result in new GenerationEngine(model, reference, eos, mask).Generate(requests, options))
        {
            var token = result.Tokens[0];
            counts[token]++;
            Assert.Equal(Math.Log(expected[token]), result.SamplingLogprobs[0], 1e-4);
            Assert.Equal(Math.Log(policy[token]), result.Logprobs[0], 1e-4);
            Assert.Equal(mass, result.RetainedMass[0], 1e-5);
            Assert.True(result.StateKl[0] > 0);
            Assert.NotEqual(result.Logprobs[0], result.ReferenceLogprobs[0]);
        }
        Assert.Equal(Draws, counts.Where((_, token) => expected[token] > 0).Sum());
        for (var token = 0; token < Vocabulary; token++)
            Assert.InRange(
                counts[token],
                Draws * expected[token] - 5 * Math.Sqrt(Draws * expected[token]) - 1,
                Draws * expected[token] + 5 * Math.Sqrt(Draws * expected[token]) + 1
            );
    }

    [Theory]
    [MemberData(nameof(ArchitectureGenerationTests.All), MemberType = typeof(ArchitectureGenerationTests))]
    public void No_token_is_drawn_that_the_mask_policy_does_not_allow_there(string name)
    {
        using LanguageModel model = Architectures.Perturbed(name, by: 0.1),
            mask = Architectures.Create(name);
        GenerationRequest[] requests =
        [
            .. Enumerable
                .Range(0, 9)
                .Select(row => new GenerationRequest(
                    [.. Enumerable.Range(0, 1 + row % 5).Select(i => (row * 5 + i * 3 + 2) % Architectures.Vocabulary)],
                    (ulong)row
                )),
        ];
        var engine = new GenerationEngine(model, null, endOfText: 1, mask);
        // Which tokens are drawn in the end is for temperature, top-k and top-p to shape, among the allowed ones.
        foreach (
            var options in new GenerationOptions[]
            {
                new(),
                new() { Temperature = 2 },
                new() { NumBeams = 3 },
            }
        )
        {
            var masked = engine.Generate(requests, options with { MaxNewTokens = 10, MaskTopP = 0.5, MaskMinTokens = 2 });
            Assert.All(masked, result => Assert.Equal(0, result.SkippedMasks));
            Assert.Equal(0, Outside(masked));
            Assert.NotEqual(0, Outside(engine.Generate(requests, options with { MaxNewTokens = 10 })));
        }

        int Outside(IReadOnlyList<GeneratedSequence> results) =>
            results.Sum(result =>
                Logits(mask, result.PromptTokens, result.Tokens)
                    .Zip(result.Tokens)
                    .Count(step => !Allowed(step.First, 0.5 + 1e-4, 2, eos: 1).Contains(step.Second))
            );
    }

    [Theory]
    [MemberData(nameof(ArchitectureGenerationTests.All), MemberType = typeof(ArchitectureGenerationTests))]
    public void With_one_allowed_token_a_step_what_comes_is_the_mask_policy_s_greedy_text(string name)
    {
        using LanguageModel model = Architectures.Perturbed(name, by: 0.1),
            mask = Architectures.Create(name);
        GenerationRequest[] requests = [.. Enumerable.Range(0, 9).Select(row => new GenerationRequest([row, 2 * row, 7], (ulong)row))];
        var greedy = new GenerationEngine(mask, null, null)
            .Generate(requests, new() { MaxNewTokens = 6, TopK = 1 })
            .Select(result => result.Tokens);
        var engine = new GenerationEngine(model, null, null, mask);
        var options = new GenerationOptions { MaxNewTokens = 6, MaskTopP = 1e-6 };

        var sampled = engine.Generate(requests, options);
        Assert.Equal(greedy, sampled.Select(result => result.Tokens));
        // Nothing is left to chance, and the policy's own probability is what the mask retains.
        Assert.All(sampled, result => Assert.All(result.SamplingLogprobs, logprob => Assert.Equal(0, logprob, 1e-5)));
        Assert.All(sampled, result =>
            Assert.All(result.RetainedMass.Zip(result.Logprobs), pair => Assert.Equal(MathF.Exp(pair.Second), pair.First, 1e-5f))
        );
        Assert.Equal(greedy, engine.Generate(requests, options with { NumBeams = 4 }).Select(result => result.Tokens));
    }

    [Fact]
    public void A_mask_that_leaves_only_what_the_text_forbids_is_skipped_and_counted()
    {
        float[] logits = [2, 1, 0, -1],
            mask = [0, 5, 1, 0];
        TokenSampler Sampler(int ngram) =>
            new(
                new GenerationOptions
                {
                    MaskTopP = 0.5,
                    NoRepeatNgramSize = ngram,
                    MaxNewTokens = 1,
                },
                4,
                EndOfText.None
            );
        var free = Sampler(0).DrawInside(logits, mask, [1, 1], seed: 1, step: 0);
        Assert.Equal((1, false), (free.Token, free.SkippedMask));
        var forbidden = Sampler(2).DrawInside(logits, mask, [1, 1], seed: 1, step: 0);
        Assert.NotEqual(1, forbidden.Token);
        Assert.Equal((1f, true), (forbidden.RetainedMass, forbidden.SkippedMask));
    }

    [Fact]
    public void A_mask_without_a_mask_policy_or_beside_a_kl_mask_is_told()
    {
        using var model = TinyModels.Create();
        string Code(GenerationOptions options) =>
            Assert.Throws<DfpoException>(() => new GenerationEngine(model, model, null).Generate(TinyModels.Requests(1), options)).Code;
        Assert.Equal("generation/no-mask", Code(new() { MaskTopP = 0.9 }));
        Assert.Equal("generation/options", Code(new() { MaskTopP = 0.9, Policy = DecodingPolicy.Negative }));
        Assert.Equal("generation/options", Code(new() { MaskTopP = 0 }));
        Assert.Equal("generation/options", Code(new() { MaskTopP = 0.9, MaskMinTokens = 0 }));
    }

    [Fact]
    public void No_tensor_outlives_a_masked_generation()
    {
        using LanguageModel model = Architectures.Perturbed("t5"),
            mask = Architectures.Create("t5");
        void Run()
        {
            foreach (var beams in new[] { 1, 3 })
                new GenerationEngine(model, null, 1, mask).Generate(
                    [new([4, 5], 1), new([6], 2)],
                    new()
                    {
                        MaxNewTokens = 6,
                        MaskTopP = 0.5,
                        NumBeams = beams,
                    }
                );
        }
        Run();
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        Run();
        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    /// <summary>The definition, in double precision.</summary>
    private static HashSet<int> Allowed(float[] mask, double topP, int least, int eos)
    {
        var max = mask.Max();
        var total = mask.Sum(x => Math.Exp((double)x - max));
        var (allowed, mass) = (new HashSet<int> { eos }, 0.0);
        foreach (var (rank, token) in Enumerable.Range(0, mask.Length).OrderByDescending(token => mask[token]).Index())
        {
            if (mass < topP || rank < least)
                allowed.Add(token);
            mass += Math.Exp((double)mask[token] - max) / total;
        }
        return allowed;
    }

    /// <summary>A model's logits at each state of a continuation, of one teacher-forced pass.</summary>
    private static float[][] Logits(LanguageModel model, int[] prompt, int[] tokens)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var batch = TeacherForcedBatch.Create(model, [(prompt, tokens)], CPU);
        var flat = model.Head(batch.SelectStates(model.Hidden(batch.Input))).to(ScalarType.Float32).contiguous().data<float>().ToArray();
        return [.. flat.Chunk(flat.Length / tokens.Length)];
    }
}
