using DfPO.Actors.Configuration;
using DfPO.Actors.Experiments;

namespace DfPO.Actors.Tests;

public sealed class ObserverQueueTests
{
    private readonly List<string> _done = [];

    [Fact]
    public async Task The_last_word_comes_after_what_the_observer_is_behind_with()
    {
        using var disk = new ManualResetEventSlim();
        var queue = new ObserverQueue(
            new Observer(() =>
            {
                disk.Wait(TestContext.Current.CancellationToken);
                _done.Add("iteration");
            })
        );
        queue.WorkersChanged("rollout", 1);

        var concluding = queue.Conclude(() => _done.Add("result"));
        Assert.Empty(_done);
        disk.Set();
        await concluding;

        Assert.Equal(["iteration", "result"], _done);
    }

    [Fact]
    public async Task It_is_written_also_where_the_observer_fails()
    {
        var queue = new ObserverQueue(new Observer(() => throw new IOException("the disk is full")));
        queue.WorkersChanged("rollout", 1);

        var failure = await Assert.ThrowsAsync<IOException>(() => queue.Conclude(() => _done.Add("result")));

        Assert.Equal("the disk is full", failure.Message);
        Assert.Equal(["result"], _done);
    }

    private sealed class Observer(Action act) : IExperimentObserver
    {
        public void Started(ExperimentConfig config, int iteration) { }

        public void Evaluated(EvaluationReport report) { }

        public void IterationFinished(IterationReport report) { }

        public void WorkersChanged(string role, int count) => act();

        public void Finished(ExperimentResult result) { }
    }
}
