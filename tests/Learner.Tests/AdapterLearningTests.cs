using DfPO.Learner.Configuration;
using DfPO.Learner.Updates;
using DfPO.Models;
using DfPO.Models.Lora;
using TorchSharp;

namespace DfPO.Learner.Tests;

/// <summary>Learning with adapters alone.</summary>
public sealed class AdapterLearningTests
{
    private static readonly LearnerOptions s_options = new()
    {
        LearningRate = 1e-2,
        Epochs = 2,
        MinibatchSize = 4,
        MaxKl = 100,
    };

    public static TheoryData<ObjectiveKind> Kinds => [ObjectiveKind.Dfpo, ObjectiveKind.Ppo, ObjectiveKind.Trpo];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void The_base_stays_bit_for_bit_and_the_adapters_and_value_heads_learn(ObjectiveKind kind)
    {
        using var models = new Adapted(s_options with { Objective = kind });
        var (before, policy, value) = (
            Support.Bytes(models.Policy),
            Support.Bytes(models.Policy.Adapters!),
            Support.Bytes(models.Value.Trunk.Adapters!)
        );
        Assert.Equal(before, Support.Bytes(models.Value.Trunk));

        models.Learn(2);

        Assert.Equal(before, Support.Bytes(models.Policy));
        Assert.Equal(before, Support.Bytes(models.Value.Trunk));
        Assert.NotEqual(policy, Support.Bytes(models.Policy.Adapters!));
        Assert.NotEqual(value, Support.Bytes(models.Value.Trunk.Adapters!));
        Assert.NotEqual(0, models.Value.TrainedParameters().Single(p => p.name == "v_head.weight").parameter.abs().max().item<float>());
    }

    [Fact]
    public void A_run_killed_after_two_of_four_iterations_ends_with_the_same_bits_and_keeps_no_base()
    {
        using var folder = new TestFolder();
        using var whole = new Adapted(s_options);
        whole.Learn(4);
        using (var first = new Adapted(s_options))
        {
            first.Learn(2);
            first.Learner.Save(folder["checkpoint"]);
        }
        using var second = new Adapted(s_options, adapterSeed: 99);
        second.Learner.Load(folder["checkpoint"]);
        second.Learn(2);

        Assert.Equal(Support.Bytes(whole.Policy.Adapters!), Support.Bytes(second.Policy.Adapters!));
        Assert.Equal(Support.Bytes(whole.Value.Trunk.Adapters!), Support.Bytes(second.Value.Trunk.Adapters!));
        Assert.Equal(
            ["adapter.safetensors", "checksums.sha256", "learner.json", "optimizer.safetensors", "value.safetensors"],
            Directory.GetFileSystemEntries(folder["checkpoint"]).Select(Path.GetFileName).Order()
        );
        using var other = new Adapted(s_options, new LoraOptions { Rank = 3 });
        Assert.Equal("learner/resume", Assert.Throws<DfpoException>(() => other.Learner.Load(folder["checkpoint"])).Code);
        using var scaled = new Adapted(s_options, new LoraOptions { Rank = 2, Alpha = 32 });
        Assert.Contains("model.lora", Assert.Throws<DfpoException>(() => scaled.Learner.Load(folder["checkpoint"])).Message);
    }

    [Fact]
    public void Offloaded_moments_and_recomputed_activations_change_no_bit_on_one_device()
    {
        byte[] Learnt(LearnerOptions options)
        {
            using var models = new Adapted(options);
            models.Learn(2);
            return [.. Support.Bytes(models.Policy.Adapters!), .. Support.Bytes(models.Value.Trunk.Adapters!)];
        }
        var plain = Learnt(s_options);
        Assert.Equal(plain, Learnt(s_options with { OffloadOptimizer = true }));
        Assert.Equal(plain, Learnt(s_options with { RecomputeActivations = true }));
    }

    [Fact]
    public void Recomputing_is_refused_where_second_derivatives_are_needed() =>
        Assert.Contains(
            "recompute-activations",
            Assert
                .Throws<DfpoException>(() => (s_options with { Objective = ObjectiveKind.Trpo, RecomputeActivations = true }).Checked())
                .Message
        );

    /// <summary>Policy and value model over one base, and their learner.</summary>
    private sealed class Adapted : IDisposable
    {
        private readonly CausalLM _reference = Support.TinyPolicy(3);

        public Adapted(LearnerOptions options, LoraOptions? lora = null, ulong adapterSeed = 5)
        {
            Policy = Support.TinyPolicy();
            Value = new ValueModel(SharedWeights.Twin(Policy));
            LoraAdapters.Create(Policy, lora ?? new LoraOptions { Rank = 2 }, adapterSeed);
            LoraAdapters.Create(Value.Trunk, lora ?? new LoraOptions { Rank = 2 }, adapterSeed + 1);
            Learner = new PolicyLearner(Policy, Value, options, 7, "unused");
        }

        public CausalLM Policy { get; }

        public ValueModel Value { get; }

        public PolicyLearner Learner { get; }

        public void Learn(int iterations)
        {
            for (var i = 0; i < iterations; i++)
                Learner.Update(Support.Trajectories(8, Policy, _reference, 100 + (ulong)Learner.Iteration));
        }

        public void Dispose()
        {
            Learner.Dispose();
            Policy.Adapters!.Dispose();
            Value.Trunk.Adapters!.Dispose();
            Value.Dispose();
            Policy.Dispose();
            _reference.Dispose();
        }
    }
}
