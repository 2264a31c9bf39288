using DfPO.Actors.Configuration;
using DfPO.Actors.Experiments;
using DfPO.Actors.Work;

namespace DfPO.Host.Reporting;

/// <summary>
/// Passes every event to several observers. One that throws is reported once and left out from then on; the run goes on, unless it is the
/// <see cref="Essential"/> one.
/// </summary>
/// <param name="errors">Where a failure is reported.</param>
/// <param name="observers">Called in this order.</param>
public sealed class CompositeObserver(TextWriter errors, params IReadOnlyList<IExperimentObserver> observers) : IExperimentObserver
{
    private readonly List<IExperimentObserver> _observers = [.. observers];

    /// <summary>The observer without which the run is not to go on: what it throws is thrown.</summary>
    public IExperimentObserver? Essential { get; init; }

    /// <inheritdoc/>
    public void Started(ExperimentConfig config, int iteration) => Each(observer => observer.Started(config, iteration));

    /// <inheritdoc/>
    public void Evaluated(EvaluationReport report) => Each(observer => observer.Evaluated(report));

    /// <inheritdoc/>
    public void IterationFinished(IterationReport report) => Each(observer => observer.IterationFinished(report));

    /// <inheritdoc/>
    public void WorkersChanged(string role, int count) => Each(observer => observer.WorkersChanged(role, count));

    /// <inheritdoc/>
    public void WorkersAwaited(string role, int units, TimeSpan waited, TimeSpan patience) =>
        Each(observer => observer.WorkersAwaited(role, units, waited, patience));

    /// <inheritdoc/>
    public void Happened(WorkEvent what, DateTimeOffset at) => Each(observer => observer.Happened(what, at));

    /// <inheritdoc/>
    public void Finished(ExperimentResult result) => Each(observer => observer.Finished(result));

    private void Each(Action<IExperimentObserver> call)
    {
        foreach (var observer in _observers.ToArray())
            try
            {
                call(observer);
            }
            catch (Exception e) when (observer != Essential)
            {
                errors.WriteLine($"dfpo: {observer.GetType().Name} failed and is switched off: {e.Message}");
                _observers.Remove(observer);
            }
    }
}
