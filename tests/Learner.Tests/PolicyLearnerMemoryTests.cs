using System.Diagnostics;
using DfPO.Learner.Configuration;
using DfPO.Learner.Updates;
using DfPO.Models.Gpt2;
using TorchSharp;

namespace DfPO.Learner.Tests;

/// <summary>Alone, because other tests' tensors would be counted.</summary>
[CollectionDefinition("memory", DisableParallelization = true)]
[Collection("memory")]
public sealed class PolicyLearnerMemoryTests
{
    [Fact]
    public void An_update_leaves_no_tensor_behind_and_memory_flat()
    {
        using var policy = Support.TinyPolicy();
        using var reference = Support.TinyPolicy(3);
        using var value = Support.TinyValue();
        var batch = Support.Trajectories(8, policy, reference, 11);
        using var learner = new PolicyLearner(
            policy,
            value,
            new LearnerOptions
            {
                Epochs = 3,
                MinibatchSize = 4,
                MaxKl = 100,
            },
            1,
            "unused"
        );
        void Updates(int count)
        {
            for (var i = 0; i < count; i++)
                learner.Update(batch);
        }
        Updates(5);
        var live = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        var before = ResidentBytes();
        Updates(60);
        Assert.Equal(live, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
        Assert.InRange(ResidentBytes() - before, long.MinValue, 40L << 20);
    }

    [Fact]
    public void Recomputed_blocks_need_less_memory_at_their_peak()
    {
        using var policy = new Gpt2LMHeadModel(
            new Gpt2Config
            {
                VocabSize = 17,
                NPositions = 128,
                NEmbd = 128,
                NLayer = 16,
                NHead = 4,
            }
        );
        policy.Initialise(1);
        // Code and buffers that torch loads once.
        policy.Logits(torch.zeros([1, 128], torch.int64)).sum().backward();
        // Less first: what it leaves to the allocator can only help the other.
        var recomputed = Peak(true);
        var plain = Peak(false);
        Assert.True(recomputed < plain * 3 / 4, $"{recomputed >> 20} MiB recomputed, {plain >> 20} MiB plain");

        long Peak(bool recompute)
        {
            using var scope = torch.NewDisposeScope();
            policy.Precision.RecomputeBlocks = recompute;
            File.WriteAllText("/proc/self/clear_refs", "5");
            var before = ResidentBytes();
            policy.Logits(torch.zeros([16, 128], torch.int64)).sum().backward();
            var peak = File.ReadLines("/proc/self/status").Single(line => line.StartsWith("VmHWM", StringComparison.Ordinal));
            return (long.Parse(string.Concat(peak.Where(char.IsAsciiDigit))) << 10) - before;
        }
    }

    [Fact]
    public void No_objective_leaves_a_tensor_behind_whole_or_in_pieces()
    {
        foreach (var kind in Enum.GetValues<ObjectiveKind>())
            foreach (var (microbatch, headChunk) in new[] { (0, 0), (3, 4) })
            {
                using var policy = Support.TinyPolicy();
                using var reference = Support.TinyPolicy(3);
                using var value = Support.TinyValue();
                using var mask = Support.TinyPolicy(5);
                var options = Objectives.EveryObjective.Options with
                {
                    Objective = kind,
                    MicrobatchSize = microbatch,
                    HeadChunkTokens = headChunk,
                    EntropyCoefficient = 0.1,
                };
                var batch = Objectives
                    .EveryObjective.Batch(options, policy, reference, 11)
                    .Select(t => t with { WeightsVersion = 0 })
                    .ToArray();
                using var learner = Objectives.EveryObjective.Learner(options, policy, value, mask, "unused");
                learner.Update(batch);
                learner.Update(batch);
                var live = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
                learner.Update(batch);
                learner.Update(batch);
                Assert.True(
                    live == DisposeScopeManager.Statistics.ThreadTotalLiveCount,
                    $"{kind}, {microbatch}, {headChunk}: {DisposeScopeManager.Statistics.ThreadTotalLiveCount - live} tensors"
                );
            }
    }

    private static long ResidentBytes()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        using var process = Process.GetCurrentProcess();
        process.Refresh();
        return process.WorkingSet64;
    }
}
