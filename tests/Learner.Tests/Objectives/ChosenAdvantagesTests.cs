using DfPO.Learner.Advantages;
using DfPO.Learner.Configuration;
using DfPO.Learner.Objectives;
using DfPO.Learner.Updates;
using DfPO.Models;
using DfPO.Models.Policies;

namespace DfPO.Learner.Tests.Objectives;

/// <summary>Advantages as a choice of their own, for rules that have a value model by default.</summary>
public sealed class ChosenAdvantagesTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<ObjectiveKind, AdvantageKind> Choices
    {
        get
        {
            var data = new TheoryData<ObjectiveKind, AdvantageKind>();
            foreach (
                var kind in new[]
                {
                    ObjectiveKind.Dfpo,
                    ObjectiveKind.Ppo,
                    ObjectiveKind.Nlpo,
                    ObjectiveKind.A2c,
                    ObjectiveKind.Trpo,
                    ObjectiveKind.PpoSupervised,
                }
            )
                foreach (var advantages in new[] { AdvantageKind.Gae, AdvantageKind.Group, AdvantageKind.Rloo, AdvantageKind.Reinforce })
                    data.Add(kind, advantages);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Choices))]
    public void Every_rule_that_takes_advantages_learns_with_each_kind_and_a_resumed_run_goes_on_with_the_same_bits(
        ObjectiveKind kind,
        AdvantageKind advantages
    )
    {
        var compares = advantages is AdvantageKind.Group or AdvantageKind.Rloo;
        var options = EveryObjective.Options with { Objective = kind, Advantages = advantages, SamplesPerPrompt = compares ? 4 : 0 };
        var traits = ObjectiveRegistry.Traits(options);
        Assert.Equal((advantages == AdvantageKind.Gae, compares ? 4 : 1), (traits.NeedsValue, traits.SamplesPerPrompt));
        byte[] Run(int stop)
        {
            using var start = Support.TinyPolicy();
            using var reference = Support.TinyPolicy(3);
            CausalLM policy = start;
            ValueModel? Value() => traits.NeedsValue ? Support.TinyValue() : null;
            var learner = new PolicyLearner(policy, Value(), options, 7, _folder["incidents"], Support.TinyPolicy(9));
            for (var i = 0; i < 2; i++)
            {
                if (i == stop)
                {
                    learner.Save(_folder[$"{kind}-{advantages}"]);
                    learner.Dispose();
                    Assert.Equal(traits.NeedsValue, File.Exists(Path.Combine(_folder[$"{kind}-{advantages}"], "value.safetensors")));
                    learner = new PolicyLearner(
                        policy = Support.TinyPolicy(5),
                        Value(),
                        options,
                        7,
                        _folder["incidents"],
                        Support.TinyPolicy(9)
                    );
                    learner.Load(_folder[$"{kind}-{advantages}"]);
                }
                var before = Support.Bytes(policy);
                var metrics = learner.Update(EveryObjective.Batch(options, policy, reference, (ulong)(20 + i))).Metrics;
                Assert.All(metrics.Values, figure => Assert.True(double.IsFinite(figure)));
                Assert.Equal(traits.NeedsValue, metrics.ContainsKey("value/loss"));
                Assert.NotEqual(before, Support.Bytes(policy));
            }
            learner.Dispose();
            return Support.Bytes(policy);
        }
        Assert.Equal(Run(9), Run(1));
    }

    [Fact]
    public void Advantages_are_of_the_rules_own_rewards()
    {
        // Rewards and KL penalties of two prompts' continuations, two tokens each.
        var toy = new Toy(4);
        Trajectory[] batch =
        [
            toy.Trajectory([0, 1], 0),
            toy.Trajectory([1, 1], 0),
            toy.Trajectory([2, 0], 1),
            toy.Trajectory([0, 0], 1),
            toy.Trajectory([1, 2], 1),
        ];
        double[] Totals(double beta) =>
            [.. batch.Select(t => t.Reward - beta * t.Logprobs.Zip(t.ReferenceLogprobs, (p, q) => (double)p - q).Sum())];
        double[] First(AdvantageKind kind, ObjectiveKind rule) =>
            [
                .. ObjectiveRegistry
                    .Create(
                        new LearnerOptions
                        {
                            Objective = rule,
                            Advantages = kind,
                            Ppo = new PpoOptions { KlCoefficient = 0.5 },
                        }
                    )
                    .Advantages(batch)
                    .Select(a => a[0]),
            ];

        foreach (var (rule, beta) in new[] { (ObjectiveKind.Dfpo, 0.0), (ObjectiveKind.Ppo, 0.5) })
        {
            var totals = Totals(beta);
            var (first, second) = (totals[..2], totals[2..]);
            double[] Deviations(double[] of) =>
                [
                    .. of.Select(x =>
                        (x - of.Average()) / (Math.Sqrt(of.Sum(y => (y - of.Average()) * (y - of.Average())) / (of.Length - 1)) + 1e-4)
                    ),
                ];
            Support.Close([.. Deviations(first), .. Deviations(second)], First(AdvantageKind.Group, rule), 1e-6);
            Support.Close(
                [.. first.Select(x => x - (first.Sum() - x)), .. second.Select(x => x - (second.Sum() - x) / 2)],
                First(AdvantageKind.Rloo, rule),
                1e-6
            );
        }
        // DfPO rewards the last token alone: 0.99 of it is still to come at the first.
        double[] toCome = [.. batch.SelectMany(t => new[] { 0.99 * t.Reward, t.Reward })];
        var (mean, deviation) = (toCome.Average(), Math.Sqrt(toCome.Average(x => (x - toCome.Average()) * (x - toCome.Average()))));
        Support.Close(
            [.. batch.Select(t => (0.99 * t.Reward - mean) / deviation)],
            First(AdvantageKind.Reinforce, ObjectiveKind.Dfpo),
            1e-4
        );
    }

    [Fact]
    public void Both_masked_policies_continue_a_prompt_as_often_as_advantages_compare()
    {
        var options = new LearnerOptions
        {
            Advantages = AdvantageKind.Group,
            Dfpo = new DfpoOptions { Behaviour = DfpoBehaviour.Masked, MaskAt = DfpoMaskAt.Rollout },
        };
        var traits = ObjectiveRegistry.Traits(options);
        Assert.Equal((8, 0), (traits.SamplesPerPrompt, traits.ValueHeads));
        Assert.Equal([DecodingPolicy.Positive, DecodingPolicy.Negative], traits.Behaviours);
    }

    [Fact]
    public void A_rules_default_is_its_own()
    {
        foreach (var kind in Enum.GetValues<ObjectiveKind>())
            Assert.Equal(
                ObjectiveRegistry
                    .Traits(EveryObjective.Options with { Objective = kind, Advantages = AdvantageKind.Default })
                    .SamplesPerPrompt,
                kind switch
                {
                    ObjectiveKind.Grpo => 8,
                    ObjectiveKind.Rloo or ObjectiveKind.Dpo or ObjectiveKind.Kto => 4,
                    ObjectiveKind.Supervised => 0,
                    _ => 1,
                }
            );
    }
}
