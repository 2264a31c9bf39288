using System.Diagnostics;
using System.Threading.Channels;
using DfPO.Actors.Weights;
using DfPO.Tasks.Prompts;

namespace DfPO.Actors.Experiments;

/// <summary>The units of one update.</summary>
/// <param name="Units">Which, in the order in which they are learnt.</param>
/// <param name="Scored">What became of them.</param>
/// <param name="StaleDropped">Units dropped for their age since the update before.</param>
public sealed record TrainingBatch(IReadOnlyList<TrainingUnit> Units, IReadOnlyList<ScoredUnit> Scored, int StaleDropped);

/// <summary>
/// Keeps as many training units on their way as its schedule says, while the learner learns too. Called by one caller at a time.
/// </summary>
/// <param name="pipeline">Rolls out and rewards.</param>
/// <param name="plan">What a unit consists of.</param>
/// <param name="prompts">Training prompts.</param>
/// <param name="schedule">Decides.</param>
public sealed class TrainingFeed(UnitPipeline pipeline, RolloutPlan plan, PromptSet prompts, IUnitSchedule schedule) : IDisposable
{
    private readonly Channel<(TrainingUnit Unit, Task<ScoredUnit> Outcome)> _finished = Channel.CreateUnbounded<(
        TrainingUnit,
        Task<ScoredUnit>
    )>(new UnboundedChannelOptions { SingleReader = true });
    private readonly Dictionary<TrainingUnit, CancellationTokenSource> _open = [];
    private readonly Dictionary<TrainingUnit, ScoredUnit> _scored = [];
    private int _dropped;

    /// <summary>Submits what is due with new weights, and withdraws what they made too old.</summary>
    /// <param name="weights">The newest weights.</param>
    /// <param name="parent">Span that the submitted units belong to.</param>
    public void Publish(WeightsRef weights, ActivityContext parent)
    {
        (schedule, var submit, var drop) = schedule.Publish(weights.Version);
        foreach (var unit in drop)
        {
            _dropped++;
            _scored.Remove(unit);
            Withdraw(unit);
        }
        foreach (var unit in submit)
        {
            var stop = _open[unit] = new CancellationTokenSource();
            _ = Follow(unit, pipeline.Process(plan.Training(prompts, unit, weights), parent, stop.Token));
        }
    }

    /// <summary>Waits for the next update's units.</summary>
    /// <exception cref="Exception">What made a unit fail.</exception>
    public async Task<TrainingBatch> Take(CancellationToken cancellation)
    {
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            if (schedule.Take() is { } step)
                return Batch(step.Next, step.Taken);
            var (arrived, outcome) = await _finished.Reader.ReadAsync(cancellation);
            if (!_open.Remove(arrived, out var stop))
                continue; // It was dropped.
            stop.Dispose();
            _scored[arrived] = await outcome;
            schedule = schedule.Arrive(arrived);
        }
    }

    /// <summary>Withdraws what is on its way.</summary>
    public void Dispose()
    {
        foreach (var unit in _open.Keys.ToArray())
            Withdraw(unit);
    }

    private TrainingBatch Batch(IUnitSchedule next, IReadOnlyList<TrainingUnit> taken)
    {
        var batch = new TrainingBatch(taken, [.. taken.Select(unit => _scored[unit])], _dropped);
        (schedule, _dropped) = (next, 0);
        foreach (var unit in taken)
            _scored.Remove(unit);
        return batch;
    }

    private async Task Follow(TrainingUnit unit, Task<ScoredUnit> outcome)
    {
        await Task.WhenAny(outcome);
        _finished.Writer.TryWrite((unit, outcome));
    }

    private void Withdraw(TrainingUnit unit)
    {
        if (!_open.Remove(unit, out var stop))
            return;
        stop.Cancel();
        stop.Dispose();
    }
}
