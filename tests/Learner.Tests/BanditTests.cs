using DfPO.Learner.Configuration;
using DfPO.Learner.Objectives;
using DfPO.Learner.Updates;
using DfPO.Models;
using DfPO.Models.Policies;
using static TorchSharp.torch;

namespace DfPO.Learner.Tests;

/// <summary>The toy of the specification: one state, forty arms, through the real learner and a real (tiny) language model.</summary>
public sealed class BanditTests
{
    private const int Arms = 40;
    private static readonly int[] s_prompt = [0];
    private static readonly double[] s_rewards = [.. Enumerable.Range(0, Arms).Select(a => CounterRandom.Uniform(99, (ulong)a))];

    private sealed record Outcome(double RewardBefore, double RewardOfPolicy, double RewardOfNegative, double Kl);

    public static TheoryData<DfpoBehaviour, DfpoMaskAt> Forms =>
        new()
        {
            { DfpoBehaviour.Policy, DfpoMaskAt.Rollout },
            { DfpoBehaviour.Policy, DfpoMaskAt.Update },
            { DfpoBehaviour.Masked, DfpoMaskAt.Rollout },
        };

    [Theory]
    [MemberData(nameof(Forms))]
    public void Dfpo_raises_the_reward_of_the_negative_policy_while_the_policy_stays_at_the_reference(
        DfpoBehaviour behaviour,
        DfpoMaskAt maskAt
    )
    {
        var outcome = Play(
            new LearnerOptions
            {
                Dfpo = new DfpoOptions
                {
                    Behaviour = behaviour,
                    MaskAt = maskAt,
                    Tolerance = 0,
                },
            }
        );
        Assert.True(outcome.RewardOfNegative > outcome.RewardBefore + 0.2, outcome.ToString());
        Assert.True(outcome.Kl < 0.05, outcome.ToString());
    }

    [Fact]
    public void The_policy_gradient_without_a_penalty_leaves_the_reference()
    {
        var outcome = Play(
            new LearnerOptions
            {
                Objective = ObjectiveKind.Ppo,
                Ppo = new PpoOptions { KlCoefficient = 0 },
            }
        );
        Assert.True(outcome.RewardOfPolicy > outcome.RewardBefore + 0.2, outcome.ToString());
        Assert.True(outcome.Kl > 0.5, outcome.ToString());
    }

    private static Outcome Play(LearnerOptions options)
    {
        var (policy, reference) = (Support.TinyPolicy(4, Arms, layers: 1), Support.TinyPolicy(4, Arms, layers: 1));
        using var value = new ValueModel(Support.TinyPolicy(5, Arms, layers: 1));
        using var learner = new PolicyLearner(
            policy,
            value,
            options with
            {
                LearningRate = 2e-4,
                ValueLearningRate = 3e-3,
                Epochs = 1,
                MinibatchSize = 64,
                ValueWarmupIterations = 20,
                MaxKl = 100,
            },
            1,
            "unused"
        );
        var pi0 = Distribution(reference);
        var before = pi0.Select((l, a) => Math.Exp(l) * s_rewards[a]).Sum();
        for (var iteration = 0; iteration < 120; iteration++)
            learner.Update(Rollouts(Distribution(policy), pi0, options, (ulong)iteration));
        var pi = Distribution(policy);
        return new Outcome(
            before,
            pi.Select((l, a) => Math.Exp(l) * s_rewards[a]).Sum(),
            Masked(pi, pi0, DecodingPolicy.Negative).Select((p, a) => p * s_rewards[a]).Sum(),
            pi.Zip(pi0, (p, q) => Math.Exp(p) * (p - q)).Sum()
        );
    }

    private static Trajectory[] Rollouts(float[] pi, float[] pi0, LearnerOptions options, ulong iteration)
    {
        var kl = pi.Zip(pi0, (p, q) => Math.Exp(p) * (p - q)).Sum();
        return
        [
            .. Enumerable
                .Range(0, 64)
                .Select(i =>
                {
                    var behaviour = options is { Objective: ObjectiveKind.Dfpo, Dfpo.Behaviour: DfpoBehaviour.Masked }
                        ? (i % 2 == 0 ? DecodingPolicy.Positive : DecodingPolicy.Negative)
                        : DecodingPolicy.Policy;
                    var (rest, arm, masked) = (CounterRandom.Uniform(iteration, (ulong)i), -1, Masked(pi, pi0, behaviour));
                    do rest -= masked[++arm];
                    while (rest > 0 && arm < Arms - 1);
                    return new Trajectory
                    {
                        PromptTokens = s_prompt,
                        Tokens = [arm],
                        Logprobs = [pi[arm]],
                        ReferenceLogprobs = [pi0[arm]],
                        StateKl = [(float)kl],
                        Reward = (float)s_rewards[arm],
                        Behaviour = behaviour,
                    };
                }),
        ];
    }

    private static float[] Distribution(CausalLM model)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        return Support.NaiveLogprobs(model, s_prompt, [0])[0].data<float>().ToArray();
    }

    /// <summary>Probabilities of the (masked, renormalised) policy.</summary>
    private static double[] Masked(float[] pi, float[] pi0, DecodingPolicy which)
    {
        var kept = pi.Select(
                (l, a) =>
                    which switch
                    {
                        DecodingPolicy.Positive => l <= pi0[a],
                        DecodingPolicy.Negative => l >= pi0[a],
                        _ => true,
                    }
                        ? Math.Exp(l)
                        : 0
            )
            .ToArray();
        return [.. kept.Select(p => p / kept.Sum())];
    }
}
