using Akka.Actor;
using DfPO.Actors.Work;

namespace DfPO.Actors.Tests;

public sealed class QueuedWorkerTests
{
    private const int MaxFailures = 3;
    private static readonly TimeSpan s_now = TimeSpan.FromHours(1);
    private QueuedWorker _worker = new(new WorkerId("ann"), ActorRefs.Nobody, "");

    [Fact]
    public void One_that_builds_its_engine_or_takes_weights_is_waited_for_but_not_for_ever()
    {
        _worker = _worker.Prepares(s_now);
        Assert.False(_worker.IsReady(s_now));
        Assert.True(_worker.IsHopeful(s_now + TimeSpan.FromMinutes(14), MaxFailures));
        Assert.False(_worker.IsHopeful(s_now + TimeSpan.FromMinutes(16), MaxFailures));
    }

    [Fact]
    public void One_that_asks_is_ready_until_it_has_a_unit_and_then_counts_only_by_its_lease()
    {
        _worker = _worker.Asks("digest");
        Assert.True(_worker.IsReady(s_now));
        Assert.Equal("digest", _worker.HeldDigest);
        _worker = _worker.Works();
        Assert.False(_worker.IsReady(s_now));
        Assert.False(_worker.IsHopeful(s_now, MaxFailures));
    }

    [Fact]
    public void One_that_failed_too_often_in_a_row_is_not_waited_for_even_if_it_asks()
    {
        _worker = _worker.Asks("");
        for (var i = 0; i < MaxFailures; i++)
        {
            Assert.True(_worker.IsHopeful(s_now, MaxFailures));
            _worker = _worker with { Health = _worker.Health.Failed(s_now) };
        }
        Assert.False(_worker.IsHopeful(s_now, MaxFailures));
        Assert.True(_worker.IsReady(s_now + TimeSpan.FromMinutes(1)));
    }

    [Fact]
    public void One_that_is_out_of_sight_is_neither_ready_nor_waited_for()
    {
        _worker = _worker.Asks("");
        _worker = _worker with { Reachable = false };
        Assert.False(_worker.IsReady(s_now));
        Assert.False(_worker.IsHopeful(s_now, MaxFailures));
    }
}
