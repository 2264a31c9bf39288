using DfPO.Learner.Guards;
using DfPO.Models.Policies;

namespace DfPO.Learner.Tests;

public sealed class GuardRulesTests
{
    private static readonly GuardOptions s_options = new() { ExplodingKl = GuardAction.Warn, BaselineIterations = 2 };
    private static readonly GuardBaseline s_baseline = new(2, Reward: 0.4, LogPerplexity: Math.Log(20));
    private static readonly GuardFigures s_sound = new()
    {
        Kl = 0.5,
        PolicyKl = 0.5,
        Reward = 0.6,
        Perplexity = 25,
        Repetition = 0.1,
        Entropy = 2,
    };

    public static TheoryData<string, GuardFigures, GuardFigures> Edges =>
        new()
        {
            { "learner/kl-exploded", s_sound with { Kl = 10 }, s_sound with { Kl = 10.001 } },
            { "learner/kl-negative", s_sound with { PolicyKl = -0.2 }, s_sound with { PolicyKl = -0.201 } },
            { "learner/entropy-collapsed", s_sound with { Entropy = 0.1 }, s_sound with { Entropy = 0.099 } },
            { "learner/repetition", s_sound with { Repetition = 0.5 }, s_sound with { Repetition = 0.51 } },
            { "learner/reward-hacking", s_sound with { Perplexity = 59.9 }, s_sound with { Perplexity = 60.1 } },
            { "learner/reward-hacking", s_sound with { Perplexity = 90, Reward = 0.4 }, s_sound with { Perplexity = 90, Reward = 0.41 } },
        };

    [Theory]
    [MemberData(nameof(Edges))]
    public void An_alarm_goes_off_past_its_threshold_alone(string code, GuardFigures within, GuardFigures past)
    {
        Assert.Empty(GuardRules.Check(s_options, 10, s_baseline, within));
        var alarm = Assert.Single(GuardRules.Check(s_options, 10, s_baseline, past));
        Assert.Equal((code, GuardAction.Warn), (alarm.Code, alarm.Action));
    }

    [Fact]
    public void Nothing_measured_or_all_off_raises_nothing()
    {
        Assert.Empty(GuardRules.Check(s_options, 10, s_baseline, new GuardFigures()));
        var off = new GuardOptions
        {
            ExplodingKl = 0,
            NegativeKl = 0,
            EntropyCollapse = 0,
            Repetition = 0,
            RewardHacking = 0,
            BaselineIterations = 2,
        };
        Assert.Empty(
            GuardRules.Check(
                off,
                10,
                s_baseline,
                new GuardFigures
                {
                    Kl = 99,
                    PolicyKl = -9,
                    Reward = 9,
                    Perplexity = 1e9,
                    Repetition = 1,
                    Entropy = 0,
                }
            )
        );
    }

    [Fact]
    public void What_stops_comes_first()
    {
        var options = s_options with { Repetition = GuardAction.Stop };
        Assert.Equal(
            ["learner/repetition", "learner/kl-negative"],
            GuardRules.Check(options, 10, s_baseline, s_sound with { PolicyKl = -1, Repetition = 1 }).Select(alarm => alarm.Code)
        );
    }

    [Fact]
    public void The_baseline_is_the_mean_of_the_first_iterations_and_reward_hacking_waits_for_it()
    {
        var hacked = s_sound with { Reward = 0.9, Perplexity = 1000 };
        var baseline = new GuardBaseline().With(s_sound with { Reward = 0.3, Perplexity = 10 }, 2);
        Assert.Empty(GuardRules.Check(s_options, 10, baseline, hacked));
        baseline = baseline
            .With(new GuardFigures { Entropy = 1 }, 2)
            .With(s_sound with { Reward = 0.5, Perplexity = 40 }, 2)
            .With(hacked, 2);
        Assert.Equal(2, baseline.Count);
        Assert.Equal(0.4, baseline.Reward, 1e-12);
        Assert.Equal(20, Math.Exp(baseline.LogPerplexity), 1e-9);
        Assert.Equal("learner/reward-hacking", Assert.Single(GuardRules.Check(s_options, 10, baseline, hacked)).Code);
    }

    [Theory]
    [InlineData(new[] { 1, 2, 3, 4, 5 }, 0)]
    [InlineData(new[] { 1, 1, 1, 1, 1 }, 2 / 3.0)]
    [InlineData(new[] { 1, 2, 1, 2, 1, 2 }, 0.5)]
    [InlineData(new[] { 1, 12, 1, 1, 21, 1 }, 0)]
    [InlineData(new[] { 1, 2 }, 0)]
    public void Repetition_is_the_share_of_trigrams_seen_before(int[] tokens, double share) =>
        Assert.Equal(share, GuardFigures.RepeatedShare(tokens), 1e-12);

    [Fact]
    public void Figures_are_means_over_tokens_and_a_masked_policys_samples_are_not_held_to_a_positive_kl()
    {
        Trajectory Of(DecodingPolicy behaviour, float[] log, float[] reference, float reward) =>
            new()
            {
                PromptTokens = [1],
                Tokens = [.. log.Select((_, i) => i)],
                Logprobs = log,
                ReferenceLogprobs = reference,
                StateKl = new float[log.Length],
                Reward = reward,
                Behaviour = behaviour,
            };
        Trajectory[] batch = [Of(DecodingPolicy.Policy, [-1, -2], [-2, -2], 1), Of(DecodingPolicy.Positive, [-5], [-2], 0)];
        var figures = GuardFigures.Of(batch);
        Assert.Equal(0.5, figures.PolicyKl!.Value, 1e-9);
        Assert.Equal(0, figures.Kl!.Value, 1e-9);
        Assert.Equal(0.5, figures.Reward!.Value, 1e-9);
        Assert.Equal(Math.Exp(2), figures.Perplexity!.Value, 1e-6);
        Assert.Null(GuardFigures.Of([batch[1]]).PolicyKl);
    }
}
