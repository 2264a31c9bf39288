using DfPO.Actors.Work;

namespace DfPO.Actors.Tests;

public sealed class WorkerHealthTests
{
    private static readonly TimeSpan s_now = TimeSpan.FromHours(1);

    [Fact]
    public void One_failure_is_forgiven() => Assert.True(WorkerHealth.Good.Failed(s_now).MayWork(s_now));

    [Fact]
    public void Failures_in_a_row_pause_a_worker_for_longer_and_longer_up_to_a_minute()
    {
        var health = WorkerHealth.Good.Failed(s_now);
        var pauses = Enumerable.Range(0, 40).Select(_ => (health = health.Failed(s_now)).PausedUntil - s_now).ToArray();
        Assert.Equal(TimeSpan.FromSeconds(2), pauses[0]);
        Assert.Equal(TimeSpan.FromSeconds(4), pauses[1]);
        Assert.All(pauses.Skip(5), pause => Assert.Equal(TimeSpan.FromMinutes(1), pause));
        Assert.False(health.MayWork(s_now));
        Assert.True(health.MayWork(s_now + TimeSpan.FromMinutes(1)));
    }
}
