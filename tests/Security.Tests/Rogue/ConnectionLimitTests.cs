using DfPO.Actors;
using DfPO.Actors.Security;
using DfPO.Security.Tests.Nodes;

namespace DfPO.Security.Tests.Rogue;

/// <summary>Connections that say nothing, or little.</summary>
public sealed class ConnectionLimitTests
{
    [Fact]
    public void Connections_are_counted_in_all_and_while_they_wait()
    {
        var limit = new ConnectionLimit();
        for (var i = 0; i < ConnectionLimit.MostWaitingOfOne; i++)
            Assert.True(limit.Open("a"));
        Assert.False(limit.Open("a"));
        for (var i = 0; i < ConnectionLimit.MostWaiting - ConnectionLimit.MostWaitingOfOne; i++)
            Assert.True(limit.Open($"b{i}"));
        Assert.False(limit.Open("c"));
        limit.Introduced("a");
        Assert.True(limit.Open("a"));
        limit.Close("a", introduced: true);
        limit.Close("b0", introduced: false);
        Assert.True(limit.Open("c"));
        Assert.Equal(ConnectionLimit.MostWaiting, limit.Waiting);
    }

    [Fact]
    public async Task A_node_closes_what_is_too_much_and_works_on()
    {
        await using var learner = await ClusterNode.Start(ClusterRoles.Learner);
        await using var worker = await ClusterNode.Start(ClusterRoles.Rollout, learner.Address);
        await learner.Members(2);
        var crowd = new List<RawNode>();
        try
        {
            for (var i = 0; i < ConnectionLimit.MostWaitingOfOne + 20; i++)
                crowd.Add(await RawNode.Dial(learner.Address, null));
            // An unfinished frame is no word.
            await crowd[0].Frame([]);
            await ClusterNode.Eventually(() => learner.Log.Contains("was closed", StringComparison.Ordinal), "some are closed");
            await crowd[^1].IsClosed();
            await Task.Delay(1000);
            await learner.Members(2);
            Assert.Empty(learner.Cluster.State.Unreachable);
        }
        finally
        {
            crowd.ForEach(one => one.Dispose());
        }
    }
}
