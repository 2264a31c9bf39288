using DfPO.Learner.Configuration;
using DfPO.Learner.Optimisation;
using DfPO.Learner.Tests.Objectives;
using DfPO.Learner.Updates;
using DfPO.Models;

namespace DfPO.Learner.Tests;

/// <summary>When the policy learns, and how fast: the learning rate's schedule, and the value model's warm-up.</summary>
public sealed class PolicyLearnerScheduleTests : IDisposable
{
    // Four optimiser steps an iteration.
    private static readonly LearnerOptions s_options = new()
    {
        LearningRate = 1e-3,
        ValueLearningRate = 1e-2,
        Epochs = 2,
        MinibatchSize = 4,
        MaxKl = 100,
    };
    private readonly TestFolder _folder = new();
    private readonly CausalLM _reference = Support.TinyPolicy(3);

    public void Dispose()
    {
        _reference.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void A_constant_rate_rises_from_zero_and_stays()
    {
        var schedule = new TrainingSchedule(ScheduleKind.Constant, Peak: 2, WarmupSteps: 4, TotalSteps: 0);
        Assert.Equal([0, 0.5, 1, 1.5, 2, 2, 2], Rates(schedule, 0, 1, 2, 3, 4, 5, 1000));
        Assert.Equal([2], Rates(schedule with { WarmupSteps = 0 }, 0));
    }

    [Fact]
    public void A_linear_rate_falls_to_zero_at_the_last_step_and_stays_there()
    {
        // transformers 4.x, get_scheduler("linear", num_warmup_steps=2, num_training_steps=10), its formula: (10 - step) / (10 - 2).
        var schedule = new TrainingSchedule(ScheduleKind.Linear, Peak: 1, WarmupSteps: 2, TotalSteps: 10);
        Assert.Equal([0, 0.5, 1, 0.875, 0.5, 0.125, 0, 0], Rates(schedule, 0, 1, 2, 3, 6, 9, 10, 50));
    }

    [Fact]
    public void A_cosine_rate_falls_to_its_share_of_the_peak_and_stays_there()
    {
        var schedule = new TrainingSchedule(ScheduleKind.Cosine, Peak: 1, WarmupSteps: 10, TotalSteps: 110, MinRatio: 0.1);
        Support.Close([0, 0.9, 1, 0.55, 0.1, 0.1], Rates(schedule, 0, 9, 10, 60, 110, 500), 1e-12);
        Support.Close([0.5 * (1 + Math.Cos(Math.PI / 4)), 0], Rates(schedule with { MinRatio = 0 }, 35, 110), 1e-12);
    }

    [Theory]
    [InlineData(ScheduleKind.Constant, 6, new[] { 0.0, 3e-3 / 6, 1e-3, 1e-3 })]
    [InlineData(ScheduleKind.Linear, 2, new[] { 0.0, 1e-3 * (16 - 3) / 14, 1e-3 * (16 - 7) / 14, 1e-3 * (16 - 11) / 14 })]
    public void The_policy_s_rate_follows_its_own_steps_from_the_end_of_the_warm_up_of_the_value_model_on(
        ScheduleKind kind,
        int warmup,
        double[] expected
    )
    {
        var options = s_options with
        {
            Schedule = kind,
            WarmupSteps = warmup,
            ScheduleSteps = kind == ScheduleKind.Constant ? 0 : 16,
            ValueWarmupIterations = 1,
        };
        var policy = Support.TinyPolicy();
        using var learner = new PolicyLearner(policy, Support.TinyValue(), options, 7, _folder["incidents"]);
        var rates = Enumerable.Range(0, 4).Select(i => Update(learner, policy, i).Metrics.GetValueOrDefault("learner/lr")).ToArray();
        // The rate of an iteration's last step; the first iteration is the value model's alone.
        Support.Close(expected, [rates[0], rates[1], rates[2], rates[3]], 1e-12);
    }

    [Fact]
    public void A_first_step_of_a_warm_up_leaves_the_policy_where_it_is()
    {
        var policy = Support.TinyPolicy();
        using var learner = new PolicyLearner(
            policy,
            Support.TinyValue(),
            s_options with
            {
                Epochs = 1,
                MinibatchSize = 8,
                WarmupSteps = 10,
            },
            7,
            _folder["incidents"]
        );
        Update(learner, policy, 0);
        Assert.Equal(Support.Bytes(Support.TinyPolicy()), Support.Bytes(policy));
        Update(learner, policy, 1);
        Assert.NotEqual(Support.Bytes(Support.TinyPolicy()), Support.Bytes(policy));
    }

    [Fact]
    public void The_value_model_learns_alone_until_it_explains_returns_and_no_longer_than_the_bound()
    {
        bool[] Moves(double until, int bound)
        {
            var (policy, moves) = (Support.TinyPolicy(), new List<bool>());
            using var learner = new PolicyLearner(
                policy,
                Support.TinyValue(),
                s_options with
                {
                    ValueWarmupIterations = bound,
                    ValueWarmupUntil = until,
                },
                7,
                _folder["incidents"]
            );
            for (var i = 0; i < 12; i++)
            {
                var before = Support.Bytes(policy);
                Explained.Add(Update(learner, policy, 0).Metrics["value/explained_variance"]);
                moves.Add(!before.SequenceEqual(Support.Bytes(policy)));
            }
            return [.. moves];
        }
        Explained.Clear();
        var moves = Moves(until: 0.5, bound: 100);
        var passed = Explained.FindIndex(x => x >= 0.5);
        Assert.InRange(passed, 1, 10);
        // The policy learns from the iteration after the one that was explained, and goes on whatever becomes of the figure.
        Assert.Equal(Enumerable.Range(0, 12).Select(i => i > passed), moves);

        Assert.Equal(Enumerable.Range(0, 12).Select(i => i >= 1), Moves(until: 0.999, bound: 1));
        Assert.Equal(Enumerable.Range(0, 12).Select(i => i >= 3), Moves(until: 0, bound: 3));
    }

    [Fact]
    public void The_value_model_has_a_rate_of_its_own_while_it_learns_alone()
    {
        byte[] After(LearnerOptions options, int iterations)
        {
            var (policy, value) = (Support.TinyPolicy(), Support.TinyValue());
            using var learner = new PolicyLearner(policy, value, options with { MaxGradNorm = 1e9 }, 7, _folder["incidents"]);
            for (var i = 0; i < iterations; i++)
                Update(learner, policy, i);
            return Support.Bytes(value);
        }
        var warm = s_options with { ValueWarmupIterations = 1, ValueLearningRate = 1e-2, ValueWarmupLearningRate = 2e-3 };
        Assert.Equal(After(s_options with { ValueWarmupIterations = 1, ValueLearningRate = 2e-3 }, 1), After(warm, 1));
        Assert.NotEqual(After(s_options with { ValueWarmupIterations = 1, ValueLearningRate = 2e-3 }, 2), After(warm, 2));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void A_resumed_run_goes_on_along_the_schedule_and_the_warm_up_with_the_same_bits(int killedAfter)
    {
        var options = s_options with
        {
            Schedule = ScheduleKind.Cosine,
            WarmupSteps = 3,
            ScheduleSteps = 20,
            MinLearningRateRatio = 0.1,
            ValueWarmupIterations = 2,
            ValueWarmupUntil = 0.01,
            ValueWarmupLearningRate = 5e-3,
        };
        (CausalLM Policy, ValueModel Value) Fresh(ulong seed) => (Support.TinyPolicy(seed), Support.TinyValue(seed + 1));
        var (whole, killed, resumed) = (Fresh(1), Fresh(1), Fresh(50));
        LearnerReport last = null!;
        using (var learner = new PolicyLearner(whole.Policy, whole.Value, options, 7, _folder["incidents"]))
            for (var i = 0; i < 5; i++)
                last = Update(learner, whole.Policy, i);
        using (var learner = new PolicyLearner(killed.Policy, killed.Value, options, 7, _folder["incidents"]))
        {
            for (var i = 0; i < killedAfter; i++)
                Update(learner, killed.Policy, i);
            learner.Save(_folder["checkpoint"]);
        }
        LearnerReport again = null!;
        using (var learner = new PolicyLearner(resumed.Policy, resumed.Value, options, 7, _folder["incidents"]))
        {
            learner.Load(_folder["checkpoint"]);
            for (var i = killedAfter; i < 5; i++)
                again = Update(learner, resumed.Policy, i);
        }
        Assert.Equal(Support.Bytes(whole.Policy), Support.Bytes(resumed.Policy));
        Assert.Equal(Support.Bytes(whole.Value), Support.Bytes(resumed.Value));
        Assert.Equal(last.Metrics.OrderBy(m => m.Key), again.Metrics.OrderBy(m => m.Key));
    }

    public static TheoryData<ObjectiveKind> Kinds => EveryObjective.Kinds;

    [Theory]
    [MemberData(nameof(Kinds))]
    public void The_share_of_positive_advantages_is_shown_by_every_rule_that_has_them(ObjectiveKind kind)
    {
        var options = EveryObjective.Options with { Objective = kind };
        var policy = Support.TinyPolicy(1);
        using var learner = EveryObjective.Learner(
            options,
            policy,
            new ValueModel(Support.TinyPolicy(2), 1),
            Support.TinyPolicy(9),
            _folder["incidents"]
        );
        Trajectory[] batch =
        [
            .. EveryObjective.Batch(options, policy, Support.TinyPolicy(3), 11).Select(t => t with { ReferenceLogprobs = t.Logprobs }),
        ];
        var metrics = learner.Update(batch).Metrics;
        // A cold value head says 0 of every state, and all rewards are greater: every token is pushed up. Groups are compared with
        // themselves.
        if (kind is ObjectiveKind.Dpo or ObjectiveKind.Supervised)
            Assert.DoesNotContain("objective/advantages_positive", metrics.Keys);
        else if (ObjectiveRegistry.Traits(options).NeedsValue)
            Assert.Equal(1, metrics["objective/advantages_positive"]);
        else
            Assert.InRange(metrics["objective/advantages_positive"], 0.05, 0.95);
    }

    public static TheoryData<string, LearnerOptions> BadOptions =>
        new()
        {
            { "schedule", s_options with { Schedule = (ScheduleKind)9 } },
            { "warmup-steps", s_options with { WarmupSteps = -1 } },
            { "schedule-steps", s_options with { ScheduleSteps = -1 } },
            { "schedule-steps", s_options with { WarmupSteps = 5, ScheduleSteps = 5 } },
            { "schedule-steps", s_options with { Schedule = ScheduleKind.Linear } },
            { "min-learning-rate-ratio", s_options with { MinLearningRateRatio = 0.1 } },
            { "min-learning-rate-ratio", s_options with { Schedule = ScheduleKind.Cosine, ScheduleSteps = 9, MinLearningRateRatio = 1.1 } },
            { "schedule", s_options with { Objective = ObjectiveKind.Trpo, WarmupSteps = 5 } },
            { "value-warmup-until", s_options with { ValueWarmupUntil = 1 } },
            { "value-warmup-until", s_options with { ValueWarmupUntil = double.NaN } },
            { "value-warmup-learning-rate", s_options with { ValueWarmupLearningRate = -1 } },
        };

    [Theory]
    [MemberData(nameof(BadOptions))]
    public void An_option_out_of_range_is_named(string field, LearnerOptions options)
    {
        var error = Assert.Throws<DfpoException>(() => new PolicyLearner(Support.TinyPolicy(), Support.TinyValue(), options, 1, "unused"));
        Assert.Equal("learner/options", error.Code);
        Assert.Contains($"'{field}'", error.Message);
    }

    private List<double> Explained { get; } = [];

    private static double[] Rates(TrainingSchedule schedule, params long[] steps) => [.. steps.Select(schedule.At)];

    private LearnerReport Update(PolicyLearner learner, CausalLM policy, int iteration) =>
        learner.Update(Support.Trajectories(8, policy, _reference, 100 + (ulong)iteration));
}
