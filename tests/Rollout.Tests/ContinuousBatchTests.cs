using DfPO.Models;
using DfPO.Models.Policies;
using DfPO.Rollout.Generation;
using DfPO.Rollout.Serving;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Rollout.Tests;

/// <summary>Sequences that join and leave between tokens are those that are drawn alone.</summary>
public sealed class ContinuousBatchTests : IDisposable
{
    private static readonly (int[] Prompt, int Joins, GenerationOptions Options)[] s_arrivals =
    [
        ([3, 4, 5], 0, new() { MaxNewTokens = 14 }),
        ([7], 0, new() { MaxNewTokens = 4, Temperature = 0.7f }),
        ([1, 2, 3, 4, 5, 6, 7, 8, 9], 3, new() { MaxNewTokens = 10, TopK = 5 }),
        ([11, 12], 4, new() { MaxNewTokens = 9, RepetitionPenalty = 1.3f, TopP = 0.9f }),
        ([6, 5], 4, new() { MaxNewTokens = 6, Policy = DecodingPolicy.Negative }),
        ([9, 9, 9, 9], 6, new() { MaxNewTokens = 12, Policy = DecodingPolicy.Negative, Tolerance = 0.3f }),
        ([2, 1], 30, new() { MaxNewTokens = 5 }),
    ];
    private readonly DisposeScope _scope = NewDisposeScope();

    public static TheoryData<string> All => Architectures.All;

    public void Dispose() => _scope.Dispose();

    [Theory]
    [MemberData(nameof(All))]
    public void Sequences_that_join_and_leave_are_those_drawn_alone(string name)
    {
        using var _ = no_grad();
        using var policy = Architectures.Create(name);
        using var reference = Architectures.Create(name, seed: 2);
        var engine = new GenerationEngine(policy, reference, null);
        // To their full lengths, and with an end that the first sequence draws, and others elsewhere.
        Assert.True(Compare(policy, reference, null) >= 5);
        Compare(policy, reference, (EndOfText)engine.Generate([new([3, 4, 5], 100)], s_arrivals[0].Options)[0].Tokens[9]);
    }

    /// <returns>Most sequences that were side by side.</returns>
    private static int Compare(LanguageModel policy, LanguageModel reference, EndOfText? end)
    {
        var engine = new GenerationEngine(policy, reference, end);
        LiveSequence[] sequences =
        [
            .. s_arrivals.Select((arrival, i) => new LiveSequence(arrival.Prompt, 100 + (ulong)i, arrival.Options, topLogprobs: 2)),
        ];
        var drawn = sequences.ToDictionary(sequence => sequence, _ => new List<LiveToken>());
        var most = 0;
        using (var batch = new ContinuousBatch(policy, reference, end))
        {
            Array.ForEach(sequences, batch.Check);
            for (var step = 0; step < 60; step++)
            {
                foreach (var token in batch.Step([.. sequences.Where((_, i) => s_arrivals[i].Joins == step)]))
                    drawn[token.Sequence].Add(token);
                most = Math.Max(most, batch.Count);
            }
            Assert.Equal(0, batch.Count);
        }
        foreach (var (sequence, tokens) in drawn)
        {
            var alone = engine.Generate([new(sequence.PromptTokens, sequence.Seed)], sequence.Options)[0];
            Assert.Equal(alone.Tokens, tokens.Select(token => token.Token));
            Assert.All(tokens.Zip(alone.Logprobs), pair => Assert.Equal(pair.Second, pair.First.Logprob, 1e-3));
            Assert.Equal(alone.Finished, tokens[^1].Ended);
            Assert.Equal(Enumerable.Repeat(false, tokens.Count - 1), tokens.SkipLast(1).Select(token => token.IsLast));
            Assert.All(tokens, token => Assert.True(token.Top.Count == 2 && token.Top[0].Logprob >= token.Top[1].Logprob));
        }
        return most;
    }

    [Fact]
    public void A_cancelled_sequence_has_no_further_token_and_the_others_go_on()
    {
        using var policy = TinyModels.Create();
        using var batch = new ContinuousBatch(policy, null, null);
        LiveSequence first = new([1, 2], 1, new() { MaxNewTokens = 20 }),
            second = new([3], 2, new() { MaxNewTokens = 8 });
        Assert.Equal(2, batch.Step([first, second]).Count);
        batch.Cancel(sequence => sequence == first);
        Assert.Equal([second], batch.Step([]).Select(token => token.Sequence));
        for (var step = 2; step < 8; step++)
            Assert.Equal(step == 7, Assert.Single(batch.Step([])).IsLast);
        Assert.Empty(batch.Step([]));
        // An empty batch takes the next one.
        Assert.Single(batch.Step([new([5], 3, new() { MaxNewTokens = 1 })]));
        Assert.Equal(0, batch.Count);
    }

    [Fact]
    public void Greedy_logprobs_are_those_of_the_likeliest_token()
    {
        using var policy = TinyModels.Create();
        using var batch = new ContinuousBatch(policy, null, null);
        var token = Assert.Single(batch.Step([new([4, 2], 1, new() { MaxNewTokens = 3, TopK = 1 }, topLogprobs: 61)]));
        Assert.Equal(token.Token, token.Top[0].Token);
        Assert.Equal(token.Logprob, token.Top[0].Logprob, 1e-5);
        Assert.Equal(1, token.Top.Sum(top => Math.Exp(top.Logprob)), 1e-4);
    }

    [Fact]
    public void What_cannot_be_continued_is_refused_before_it_joins()
    {
        using var policy = TinyModels.Create();
        using var batch = new ContinuousBatch(policy, null, null);
        void Refused(LiveSequence sequence, string code) =>
            Assert.Equal(code, Assert.Throws<DfpoException>(() => batch.Check(sequence)).Code);
        Refused(new([], 1, new()), "generation/empty-prompt");
        Refused(new([999], 1, new()), "generation/token-id");
        Refused(new([1], 1, new() { MaxNewTokens = 64 }), "model/too-long");
        Refused(new([1], 1, new() { Policy = DecodingPolicy.Negative }), "generation/no-reference");
        Refused(new([1], 1, new() { NumBeams = 2 }), "generation/options");
        Refused(new([1], 1, new() { Temperature = 0 }), "generation/options");
    }
}
