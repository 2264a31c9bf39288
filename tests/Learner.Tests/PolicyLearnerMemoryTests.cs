using System.Diagnostics;
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
        using var learner = new PolicyLearner(policy, value, new LearnerOptions { Epochs = 3, MinibatchSize = 4, MaxKl = 100 }, 1, "unused");
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

    private static long ResidentBytes()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        using var process = Process.GetCurrentProcess();
        process.Refresh();
        return process.WorkingSet64;
    }
}
