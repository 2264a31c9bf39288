using DfPO.Models;
using DfPO.Models.Policies;
using DfPO.Rollout.Beams;
using DfPO.Rollout.Generation;
using DfPO.Rollout.Scoring;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Rollout.Tests;

public sealed class BeamSearchTests
{
    private const int Eos = 1;

    public static TheoryData<string> All => Architectures.All;

    public static TheoryData<string, EarlyStopping, float> Settings()
    {
        var data = new TheoryData<string, EarlyStopping, float>();
        foreach (var name in new[] { "gpt2 packed", "llama", "t5" })
        {
            foreach (var stopping in Enum.GetValues<EarlyStopping>())
            {
                foreach (var penalty in new[] { -0.5f, 1, 2 })
                    data.Add(name, stopping, penalty);
            }
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Every_architecture_finds_what_a_plain_search_finds(string name) =>
        Compare(
            name,
            new()
            {
                MaxNewTokens = 8,
                NumBeams = 4,
                NumReturnSequences = 4,
                LengthPenalty = 0,
            },
            count: 9,
            mustEnd: true
        ); // two lanes

    [Theory]
    [MemberData(nameof(All))]
    public void Penalties_and_the_minimum_length_hold_in_every_beam(string name) =>
        Compare(
            name,
            new()
            {
                MaxNewTokens = 7,
                NumBeams = 3,
                NumReturnSequences = 2,
                RepetitionPenalty = 1.4f,
                NoRepeatNgramSize = 2,
                MinNewTokens = 3,
            },
            count: 3
        );

    [Theory]
    [MemberData(nameof(Settings))]
    public void Every_way_of_stopping_ends_where_a_plain_search_ends(string name, EarlyStopping stopping, float penalty) =>
        Compare(
            name,
            new()
            {
                MaxNewTokens = 8,
                NumBeams = 3,
                NumReturnSequences = 3,
                EarlyStopping = stopping,
                LengthPenalty = penalty,
            },
            count: 3,
            mustEnd: penalty < 0
        );

    [Theory]
    [MemberData(nameof(Settings))]
    public void A_length_may_count_the_continuation_alone(string name, EarlyStopping stopping, float penalty) =>
        Compare(
            name,
            new()
            {
                MaxNewTokens = 8,
                NumBeams = 3,
                NumReturnSequences = 3,
                EarlyStopping = stopping,
                LengthPenalty = penalty,
                BeamLength = BeamLength.Continuation,
            },
            count: 3
        );

    [Fact]
    public void Log_probabilities_are_those_of_the_full_softmax_and_a_reference_adds_its_own()
    {
        using LanguageModel model = Architectures.Perturbed("t5"),
            reference = Architectures.Create("t5");
        var options = new GenerationOptions
        {
            MaxNewTokens = 6,
            NumBeams = 3,
            NumReturnSequences = 2,
            RepetitionPenalty = 1.3f,
        };
        var alone = new GenerationEngine(model, null, Eos).Generate(Requests(3), options);
        var both = new GenerationEngine(model, reference, Eos).Generate(Requests(3), options);

        Assert.Equal(6, alone.Count);
        var scores = SequenceScorer.Logprobs(model, [.. alone.Select(s => (s.PromptTokens, s.Tokens))]);
        var referenceScores = SequenceScorer.Logprobs(reference, [.. alone.Select(s => (s.PromptTokens, s.Tokens))]);
        for (var i = 0; i < alone.Count; i++)
        {
            Assert.Equal(alone[i].Tokens, both[i].Tokens);
            AssertClose(scores[i], alone[i].Logprobs);
            AssertClose(scores[i], both[i].Logprobs);
            AssertClose(referenceScores[i], both[i].ReferenceLogprobs);
            Assert.All(both[i].StateKl, kl => Assert.True(kl > 0));
            Assert.Empty(alone[i].SamplingLogprobs);
        }
    }

    [Fact]
    public void More_beams_never_find_a_less_likely_text_than_the_greedy_one()
    {
        using var model = Architectures.Create("gptj");
        GenerationRequest[] requests = Requests(5);
        var greedy = new GenerationEngine(model, null, null).Generate(requests, new() { MaxNewTokens = 6, TopK = 1 });
        var beams = new GenerationEngine(model, null, null).Generate(requests, new() { MaxNewTokens = 6, NumBeams = 8 });
        for (var i = 0; i < requests.Length; i++)
            Assert.True(beams[i].Logprobs.Sum() >= greedy[i].Logprobs.Sum() - 1e-4f);
    }

    [Fact]
    public void Options_that_exclude_each_other_are_refused()
    {
        using var model = Architectures.Create("t5");
        string Code(GenerationOptions options, string word) =>
            CodeOf(() => new GenerationEngine(model, model, Eos).Generate(Requests(1), options), word);

        var beams = new GenerationOptions { NumBeams = 2, MaxNewTokens = 4 };
        Assert.Equal("generation/options", Code(beams with { Temperature = 0.5f }, "num-beams"));
        Assert.Equal("generation/options", Code(beams with { TopK = 3 }, "num-beams"));
        Assert.Equal("generation/options", Code(beams with { TopP = 0.5f }, "num-beams"));
        Assert.Equal("generation/options", Code(beams with { Policy = DecodingPolicy.Positive }, "KL mask"));
        Assert.Equal("generation/options", Code(beams with { NumReturnSequences = 3 }, "num-return-sequences"));
        Assert.Equal("generation/options", Code(beams with { NumBeams = 0 }, "num-beams"));
        Assert.Equal("generation/options", Code(beams with { NumBeams = 15 }, "29 tokens"));
        Assert.Equal("generation/options", Code(beams with { LengthPenalty = float.NaN }, "length-penalty"));
        Assert.Equal("generation/options", Code(new() { RepetitionPenalty = 0 }, "repetition-penalty"));
        Assert.Equal("generation/options", Code(new() { NoRepeatNgramSize = -1 }, "no-repeat-ngram-size"));
    }

    [Fact]
    public void No_tensor_outlives_a_search()
    {
        using LanguageModel model = Architectures.Create("t5"),
            causal = Architectures.Create("gpt2 packed");
        var options = new GenerationOptions { MaxNewTokens = 5, NumBeams = 3 };
        void Run()
        {
            new GenerationEngine(model, null, Eos).Generate(Requests(3), options);
            new GenerationEngine(causal, null, Eos).Generate(Requests(3), options);
        }
        Run();
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        Run();
        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    [Theory]
    [InlineData(1, 40)]
    [InlineData(5, 40)]
    [InlineData(32, 33)]
    public void Candidates_are_the_highest_scores_in_order(int capacity, int tokens)
    {
        var candidates = new BeamCandidates(capacity);
        var rows = Enumerable
            .Range(0, 3)
            .Select(beam =>
                Enumerable
                    .Range(0, tokens)
                    .Select(token => (float)Math.Round(CounterRandom.Uniform((ulong)beam, (ulong)token), 1))
                    .ToArray()
            )
            .ToArray();
        for (var beam = 0; beam < rows.Length; beam++)
            candidates.Offer(beam, rows[beam]);

        var expected = rows.SelectMany((row, beam) => row.Select((sum, token) => (sum, beam, token)))
            .OrderByDescending(c => c.sum)
            .Take(capacity);
        Assert.Equal(expected, candidates.Kept.ToArray());
    }

    private static void Compare(string name, GenerationOptions options, int count, bool mustEnd = false)
    {
        using var model = Architectures.Create(name);
        var requests = Requests(count);
        // A token that texts often come to, so that beams end.
        var eos = new GenerationEngine(model, null, null)
            .Generate(requests, options)
            .Select(r => r.Tokens[3])
            .GroupBy(t => t)
            .MaxBy(g => g.Count())!
            .Key;
        var startLength = requests.Max(request => model.DecoderPrompt(request.PromptTokens).Length);

        var results = new GenerationEngine(model, null, eos).Generate(requests, options);

        Assert.Equal(requests.Length * options.NumReturnSequences, results.Count);
        for (var i = 0; i < requests.Length; i++)
        {
            var expected = NaiveBeamSearch.Run(model, requests[i].PromptTokens, startLength, eos, options);
            for (var j = 0; j < expected.Count; j++)
            {
                var result = results[i * options.NumReturnSequences + j];
                Assert.Equal(requests[i].PromptTokens, result.PromptTokens);
                Assert.Equal(expected[j].Score, result.Score, 1e-3);
                Assert.Equal(expected[j].Tokens, result.Tokens);
                Assert.Equal(result.Tokens[^1] == eos, result.Finished);
            }
        }
        if (mustEnd)
            Assert.Contains(results, result => result.Finished && result.Tokens.Length < options.MaxNewTokens);
    }

    private static GenerationRequest[] Requests(int count) => TinyModels.Requests(count, vocabulary: Architectures.Vocabulary);

    private static void AssertClose(float[] expected, float[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++)
            Assert.Equal(expected[i], actual[i], 1e-3f);
    }
}
