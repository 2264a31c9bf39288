using DfPO.Learner.Configuration;
using DfPO.Learner.Objectives;
using DfPO.Learner.Updates;
using DfPO.Models;
using DfPO.Models.Policies;
using static TorchSharp.torch;

namespace DfPO.Learner.Tests.Objectives;

/// <summary>
/// Every rule that learns from rewards, on one state with ten arms, through the real learner and a real (tiny) language model.
/// </summary>
public sealed class LearningTests
{
    private const int Arms = 10;
    private static readonly int[] s_prompt = [0];
    private static readonly double[] s_rewards = [.. Enumerable.Range(0, Arms).Select(a => CounterRandom.Uniform(99, (ulong)a))];

    public static TheoryData<ObjectiveKind> Kinds =>
        [.. Enum.GetValues<ObjectiveKind>().Except([ObjectiveKind.Dfpo, ObjectiveKind.Supervised])];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void The_expected_reward_rises(ObjectiveKind kind)
    {
        using var policy = Support.TinyPolicy(4, Arms, layers: 1);
        using var reference = Support.TinyPolicy(4, Arms, layers: 1);
        using var value = new ValueModel(Support.TinyPolicy(5, Arms, layers: 1));
        using var mask = Support.TinyPolicy(6, Arms, layers: 1);
        var options = new LearnerOptions
        {
            Objective = kind,
            LearningRate = 1e-3,
            ValueLearningRate = 3e-3,
            Epochs = 1,
            MinibatchSize = 32,
            MaxKl = 100,
            Ppo = new PpoOptions { KlCoefficient = 0.01 },
            Trpo = new TrpoOptions
            {
                KlCoefficient = 0.01,
                CriticEpochs = 2,
                ConjugateGradientIterations = 5,
            },
            A2c = new A2cOptions { KlCoefficient = 0.01, TargetKl = 0 },
            Nlpo = new NlpoOptions { MinTokensToKeep = 3, RefreshEvery = 3 },
            PpoSupervised = new PpoSupervisedOptions { Coefficient = 0.01 },
            Guards = new()
            {
                EntropyCollapse = Guards.GuardAction.Off,
                NegativeKl = Guards.GuardAction.Off,
                RewardHacking = Guards.GuardAction.Off,
            },
        };
        using var learner = new PolicyLearner(policy, value, options, 1, "unused", mask, reference);
        var pi0 = Distribution(reference);
        for (var iteration = 0; iteration < 25; iteration++)
            learner.Update(Rollouts(Distribution(policy), pi0, (ulong)iteration));
        double Expected(float[] pi) => pi.Select((l, a) => Math.Exp(l) * s_rewards[a]).Sum();
        Assert.True(Expected(Distribution(policy)) > Expected(pi0) + 0.1, $"{Expected(pi0)} to {Expected(Distribution(policy))}");
    }

    private static Trajectory[] Rollouts(float[] pi, float[] pi0, ulong iteration) =>
        [
            .. Enumerable
                .Range(0, 32)
                .Select(i =>
                {
                    var (rest, arm) = (CounterRandom.Uniform(iteration, (ulong)i), -1);
                    do rest -= Math.Exp(pi[++arm]);
                    while (rest > 0 && arm < Arms - 1);
                    return new Trajectory
                    {
                        PromptTokens = s_prompt,
                        Tokens = [arm],
                        Logprobs = [pi[arm]],
                        ReferenceLogprobs = [pi0[arm]],
                        StateKl = [(float)pi.Zip(pi0, (p, q) => Math.Exp(p) * (p - q)).Sum()],
                        Reward = (float)s_rewards[arm],
                        Behaviour = DecodingPolicy.Policy,
                        Group = i / 8,
                        Demonstration = [3],
                    };
                }),
        ];

    private static float[] Distribution(CausalLM model)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        return Support.NaiveLogprobs(model, s_prompt, [0])[0].data<float>().ToArray();
    }
}
