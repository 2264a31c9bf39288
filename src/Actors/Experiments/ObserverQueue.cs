using System.Threading.Channels;
using DfPO.Actors.Configuration;
using DfPO.Actors.Work;

namespace DfPO.Actors.Experiments;

/// <summary>Hands what several threads report to an observer, one call at a time and in order, on a task of its own.</summary>
public sealed class ObserverQueue : IExperimentObserver
{
    private readonly Channel<Action> _calls = Channel.CreateUnbounded<Action>(new UnboundedChannelOptions { SingleReader = true });
    private readonly IExperimentObserver _observer;
    private readonly Task _pump;

    /// <summary>Starts the task.</summary>
    public ObserverQueue(IExperimentObserver observer)
    {
        _observer = observer;
        _pump = Task.Run(async () =>
        {
            await foreach (var call in _calls.Reader.ReadAllAsync())
                call();
        });
    }

    /// <summary>Takes no more calls and waits for those that were made.</summary>
    /// <exception cref="Exception">What the observer threw, against its contract.</exception>
    public Task Drain()
    {
        _calls.Writer.TryComplete();
        return _pump;
    }

    /// <summary>
    /// As <see cref="Drain"/>, and then the run's last word: an observer that is behind, the recorder on a slow disk, must not take back
    /// what was written. It is written also where the observer failed.
    /// </summary>
    /// <param name="conclude">Writes the result down.</param>
    /// <exception cref="Exception">See <see cref="Drain"/>.</exception>
    public async Task Conclude(Action conclude)
    {
        try
        {
            await Drain();
        }
        finally
        {
            conclude();
        }
    }

    /// <inheritdoc/>
    public void Started(ExperimentConfig config, int iteration) => Post(() => _observer.Started(config, iteration));

    /// <inheritdoc/>
    /// <exception cref="Exception">What the observer threw: a run whose record cannot be kept does not go on.</exception>
    public void Evaluated(EvaluationReport report)
    {
        RequireWorking();
        Post(() => _observer.Evaluated(report));
    }

    /// <inheritdoc/>
    /// <exception cref="Exception">See <see cref="Evaluated"/>.</exception>
    public void IterationFinished(IterationReport report)
    {
        RequireWorking();
        Post(() => _observer.IterationFinished(report));
    }

    /// <inheritdoc/>
    public void WorkersChanged(string role, int count) => Post(() => _observer.WorkersChanged(role, count));

    /// <inheritdoc/>
    public void WorkersAwaited(string role, int units, TimeSpan waited, TimeSpan patience) =>
        Post(() => _observer.WorkersAwaited(role, units, waited, patience));

    /// <inheritdoc/>
    public void Happened(WorkEvent what, DateTimeOffset at) => Post(() => _observer.Happened(what, at));

    /// <inheritdoc/>
    public void Finished(ExperimentResult result) => Post(() => _observer.Finished(result));

    private void RequireWorking()
    {
        if (_pump.IsFaulted)
            _pump.GetAwaiter().GetResult();
    }

    private void Post(Action call) => _calls.Writer.TryWrite(call);
}
