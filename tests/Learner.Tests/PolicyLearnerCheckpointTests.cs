using DfPO.Learner.Configuration;
using DfPO.Learner.Objectives;
using DfPO.Learner.Updates;
using DfPO.Models;

namespace DfPO.Learner.Tests;

public sealed class PolicyLearnerCheckpointTests
{
    private static readonly LearnerOptions s_dfpo = new()
    {
        LearningRate = 1e-3,
        Epochs = 2,
        MinibatchSize = 4,
        ValueWarmupIterations = 1,
        MaxKl = 100,
    };
    private static readonly LearnerOptions s_ppo = s_dfpo with
    {
        Objective = ObjectiveKind.Ppo,
        Ppo = new PpoOptions { TargetKl = 0.5 },
    };

    public static TheoryData<ObjectiveKind> Kinds => [ObjectiveKind.Dfpo, ObjectiveKind.Ppo];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_run_killed_after_two_of_four_iterations_ends_with_the_same_bits(ObjectiveKind kind)
    {
        using var folder = new TestFolder();
        var options = kind == ObjectiveKind.Ppo ? s_ppo : s_dfpo;
        using var reference = Support.TinyPolicy(3);
        var (policy, value) = (Support.TinyPolicy(), Support.TinyValue());
        using (var learner = new PolicyLearner(policy, value, options, 7, folder["incidents"]))
            Run(learner, policy, reference, from: 0, to: 4);

        var (first, firstValue) = (Support.TinyPolicy(), Support.TinyValue());
        using (var learner = new PolicyLearner(first, firstValue, options, 7, folder["incidents"]))
        {
            Run(learner, first, reference, from: 0, to: 2);
            learner.Save(folder["checkpoint"]);
            // What comes after the checkpoint is lost with the process.
            Run(learner, first, reference, from: 2, to: 3);
        }
        var (second, secondValue) = (Support.TinyPolicy(50), Support.TinyValue(60));
        IReadOnlyDictionary<string, double> metrics;
        using (var learner = new PolicyLearner(second, secondValue, options, 7, folder["incidents"]))
        {
            learner.Load(folder["checkpoint"]);
            Assert.Equal(2, learner.Iteration);
            metrics = Run(learner, second, reference, from: 2, to: 4);
        }

        Assert.Equal(Support.Bytes(policy), Support.Bytes(second));
        Assert.Equal(Support.Bytes(value), Support.Bytes(secondValue));
        if (kind == ObjectiveKind.Ppo)
            Assert.NotEqual(options.Ppo.KlCoefficient, metrics["ppo/kl_coefficient"]);
    }

    [Fact]
    public void A_checkpoint_holds_a_policy_that_loads_by_itself_and_no_partial_folders()
    {
        using var folder = new TestFolder();
        using var policy = Support.TinyPolicy();
        using var value = Support.TinyValue();
        using var learner = new PolicyLearner(policy, value, s_dfpo, 7, folder["incidents"]);
        learner.Save(folder["checkpoint"]);
        learner.Save(folder["checkpoint"]);
        using var loaded = PretrainedModels.LoadCausalLM(Path.Combine(folder["checkpoint"], "policy"));
        Assert.Equal(Support.Bytes(policy), Support.Bytes(loaded));
        Assert.Equal([folder["checkpoint"]], Directory.GetFileSystemEntries(folder.Path));
    }

    [Fact]
    public void A_kill_between_the_two_moves_of_a_save_loses_nothing()
    {
        using var folder = new TestFolder();
        using var policy = Support.TinyPolicy();
        using var value = Support.TinyValue();
        using var learner = new PolicyLearner(policy, value, s_dfpo, 7, folder["incidents"]);
        learner.Save(folder["checkpoint"]);
        Directory.Move(folder["checkpoint"], folder["checkpoint.old"]);
        learner.Load(folder["checkpoint"]);
        Directory.Move(folder["checkpoint"], folder["checkpoint.old"]);
        learner.Save(folder["checkpoint"]);
        learner.Load(folder["checkpoint"]);
    }

    [Fact]
    public void Other_options_or_another_seed_do_not_resume_but_another_guard_does()
    {
        using var folder = new TestFolder();
        using var policy = Support.TinyPolicy();
        using var value = Support.TinyValue();
        using (var learner = new PolicyLearner(policy, value, s_dfpo, 7, folder["incidents"]))
            learner.Save(folder["checkpoint"]);
        void Load(LearnerOptions options, ulong seed)
        {
            using var learner = new PolicyLearner(policy, value, options, seed, folder["incidents"]);
            learner.Load(folder["checkpoint"]);
        }
        Assert.Equal("learner/resume", Assert.Throws<DfpoException>(() => Load(s_dfpo with { LearningRate = 2e-3 }, 7)).Code);
        Assert.Equal(
            "learner/resume",
            Assert.Throws<DfpoException>(() => Load(s_dfpo with { Dfpo = new DfpoOptions { Tolerance = 0.2f } }, 7)).Code
        );
        Assert.Equal("learner/resume", Assert.Throws<DfpoException>(() => Load(s_dfpo, 8)).Code);
        Load(
            s_dfpo with
            {
                MaxKl = 5,
                Ppo = new PpoOptions { KlCoefficient = 9 },
            },
            7
        );
    }

    [Fact]
    public void A_folder_without_a_checkpoint_is_named()
    {
        using var folder = new TestFolder();
        using var policy = Support.TinyPolicy();
        using var value = Support.TinyValue();
        using var learner = new PolicyLearner(policy, value, s_dfpo, 7, folder["incidents"]);
        var error = Assert.Throws<DfpoException>(() => learner.Load(folder["nothing"]));
        Assert.Equal("learner/resume", error.Code);
        Assert.Contains("nothing", error.Message);
    }

    private static IReadOnlyDictionary<string, double> Run(PolicyLearner learner, CausalLM policy, CausalLM reference, int from, int to)
    {
        IReadOnlyDictionary<string, double> metrics = new Dictionary<string, double>();
        for (var iteration = from; iteration < to; iteration++)
            metrics = learner.Update(Support.Trajectories(8, policy, reference, (ulong)(100 + iteration))).Metrics;
        return metrics;
    }
}
