using DfPO.Models;
using DfPO.Models.Policies;
using DfPO.Rollout.Generation;
using DfPO.Rollout.Sampling;
using DfPO.Rollout.Scoring;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Rollout.Tests;

/// <summary>Sampling and masked decoding with every architecture.</summary>
public sealed class ArchitectureGenerationTests
{
    public static TheoryData<string> All => Architectures.All;

    [Theory]
    [MemberData(nameof(All))]
    public void Sampled_tokens_have_the_log_probabilities_of_a_teacher_forced_pass(string name)
    {
        using var model = Architectures.Create(name);
        var options = new GenerationOptions { MaxNewTokens = 10 };

        var alone = new GenerationEngine(model, null, endOfText: 1).Generate(Requests(9), options);
        var scored = SequenceScorer.Logprobs(model, [.. alone.Select(s => (s.PromptTokens, s.Tokens))]);
        var withReference = new GenerationEngine(model, model, endOfText: 1).Generate(Requests(9), options);

        for (var row = 0; row < alone.Count; row++)
        {
            Assert.Equal(alone[row].Tokens, withReference[row].Tokens);
            Assert.All(withReference[row].StateKl, kl => Assert.Equal(0, kl));
            Assert.Equal(withReference[row].Logprobs, withReference[row].ReferenceLogprobs);
            for (var t = 0; t < scored[row].Length; t++)
                Assert.Equal(scored[row][t], alone[row].Logprobs[t], 1e-3f);
        }
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Equal_models_are_masked_nowhere_and_every_ratio_is_exactly_0(string name)
    {
        using LanguageModel model = Architectures.Create(name),
            reference = Architectures.Create(name);
        foreach (var policy in new[] { DecodingPolicy.Positive, DecodingPolicy.Negative })
        {
            foreach (
                var result in new GenerationEngine(model, reference, endOfText: 1).Generate(
                    Requests(3),
                    new() { MaxNewTokens = 6, Policy = policy }
                )
            )
            {
                Assert.All(result.StateKl, kl => Assert.Equal(0, kl));
                Assert.All(result.RetainedMass, mass => Assert.Equal(1, mass));
                Assert.Equal(result.Logprobs, result.ReferenceLogprobs);
            }
        }
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Under_a_mask_only_tokens_that_it_keeps_are_drawn(string name)
    {
        using LanguageModel model = Architectures.Perturbed(name),
            reference = Architectures.Create(name);
        foreach (var policy in new[] { DecodingPolicy.Positive, DecodingPolicy.Negative })
        {
            var results = new GenerationEngine(model, reference, endOfText: 1).Generate(
                Requests(9),
                new()
                {
                    MaxNewTokens = 8,
                    Policy = policy,
                    MassFloor = 0,
                }
            );
            (int[], int[])[] sequences = [.. results.Select(r => (r.PromptTokens, r.Tokens))];
            var (logprobs, referenceLogprobs) = (SequenceScorer.Logprobs(model, sequences), SequenceScorer.Logprobs(reference, sequences));
            foreach (var (result, row) in results.Select((result, row) => (result, row)))
            {
                for (var t = 0; t < result.Tokens.Length; t++)
                {
                    var ratio = logprobs[row][t] - referenceLogprobs[row][t];
                    Assert.True(
                        (policy == DecodingPolicy.Positive ? ratio : -ratio) < 1e-3,
                        $"{policy} drew a token with log-ratio {ratio}"
                    );
                    Assert.Equal(ratio, result.Logprobs[t] - result.ReferenceLogprobs[t], 1e-3f);
                }
            }
            Assert.Contains(results, result => result.RetainedMass.Any(mass => mass < 0.9f));
        }
    }

    [Theory]
    [MemberData(nameof(All))]
    public void No_ngram_comes_twice_when_that_is_forbidden(string name)
    {
        using LanguageModel model = Architectures.Perturbed(name),
            reference = Architectures.Create(name);
        foreach (var policy in Enum.GetValues<DecodingPolicy>())
        {
            GeneratedSequence[] Generate(int n) =>
                [
                    .. new GenerationEngine(model, reference, null).Generate(
                        Requests(9),
                        new()
                        {
                            MaxNewTokens = 24,
                            Temperature = 0.3f,
                            NoRepeatNgramSize = n,
                            Policy = policy,
                        }
                    ),
                ];
            bool Repeats(GeneratedSequence sequence)
            {
                int[] text = [.. model.DecoderPrompt(sequence.PromptTokens), .. sequence.Tokens];
                return text.Zip(text.Skip(1))
                    .GroupBy(pair => pair)
                    .Any(group =>
                        group.Count() > 1 && Array.IndexOf(text, group.Key.First, model.DecoderPrompt(sequence.PromptTokens).Length) >= 0
                    );
            }
            Assert.Contains(Generate(0), Repeats);
            Assert.DoesNotContain(Generate(2), Repeats);
        }
    }

    [Fact]
    public void The_share_that_a_mask_retains_is_of_the_penalised_distribution()
    {
        var options = new GenerationOptions
        {
            RepetitionPenalty = 2,
            Policy = DecodingPolicy.Positive,
            MassFloor = 0,
            MaxNewTokens = 1,
        };
        float[] logits = [2, 1, 0, -1],
            reference = [0, 1, 2, -1];
        var draw = new TokenSampler(options, 4, EndOfText.None).DrawKlMasked(logits, reference, [0, 3], seed: 1, step: 0);

        // Token 0 is halved to 1, token 3 doubled to -2; the ratio is positive for token 0 alone, as both normalisers are equal.
        double[] weights = [Math.Exp(1), Math.Exp(1), 1, Math.Exp(-2)];
        Assert.Equal((weights.Sum() - weights[0]) / weights.Sum(), draw.RetainedMass, 1e-5);
        Assert.NotEqual(0, draw.Token);
        Assert.Equal(logits[draw.Token] - Math.Log(logits.Sum(x => Math.Exp(x))), draw.Logprob, 1e-5);
        Assert.Equal(Math.Log(weights[draw.Token] / (weights.Sum() - weights[0])), draw.SamplingLogprob, 1e-5);
    }

    [Fact]
    public void An_encoder_decoder_model_takes_prompts_of_any_length()
    {
        using var model = Architectures.Create("t5");
        var prompt = Enumerable.Range(0, 300).Select(i => i % Architectures.Vocabulary).ToArray();

        var result = Assert.Single(new GenerationEngine(model, null, null).Generate([new(prompt, 1)], new() { MaxNewTokens = 100 }));

        Assert.Equal(100, result.Tokens.Length);
        Assert.Equal(
            "generation/token-id",
            CodeOf(() => new GenerationEngine(model, null, null).Generate([new([Architectures.Vocabulary], 1)], new()), "29")
        );
        Assert.Equal("generation/empty-prompt", CodeOf(() => new GenerationEngine(model, null, null).Generate([new([], 1)], new())));
    }

    [Theory]
    [MemberData(nameof(All))]
    public void No_tensor_outlives_a_generation(string name)
    {
        using LanguageModel model = Architectures.Perturbed(name),
            reference = Architectures.Create(name);
        void Run()
        {
            new GenerationEngine(model, reference, endOfText: 1).Generate(
                Requests(3),
                new() { MaxNewTokens = 6, Policy = DecodingPolicy.Negative }
            );
            new GenerationEngine(model, reference, endOfText: 1).Generate(Requests(3), new() { MaxNewTokens = 6 });
        }
        Run();
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        Run();
        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    private static GenerationRequest[] Requests(int count) => TinyModels.Requests(count, vocabulary: Architectures.Vocabulary);
}
