using System.Diagnostics.Metrics;
using DfPO.Actors.Configuration;
using DfPO.Actors.Experiments;
using DfPO.Host.Runs;
using DfPO.Models.Diagnostics;
using DfPO.Models.Policies;
using DfPO.Tasks.Metrics;

namespace DfPO.Host.Telemetry;

/// <summary>Puts an experiment's figures on the meter, as gauges with the names that they have in <c>metrics.jsonl</c>.</summary>
public sealed class MetricsObserver : IExperimentObserver
{
    private readonly Dictionary<string, Gauge<double>> _gauges = [];
    private readonly Counter<long> _iterations = DfpoTelemetry.Meter.CreateCounter<long>(
        "rlhf.iterations",
        "{iteration}",
        "Finished training iterations."
    );
    private readonly Gauge<int> _workers = DfpoTelemetry.Meter.CreateGauge<int>("rlhf.workers", "{worker}", "Workers of a role.");

    /// <inheritdoc/>
    public void Started(ExperimentConfig config, int iteration) { }

    /// <inheritdoc/>
    public void Evaluated(EvaluationReport report) =>
        Record($"eval/{report.Split}/", report.Metrics, new KeyValuePair<string, object?>(DfpoTelemetry.Tags.Policy, report.Policy.Name()));

    /// <inheritdoc/>
    public void IterationFinished(IterationReport report)
    {
        _iterations.Add(1);
        if (report.Rollout is { } rollout)
            Record("rollout/", rollout);
        foreach (var (name, value) in report.Metrics)
            Record(name, value);
    }

    /// <inheritdoc/>
    public void WorkersChanged(string role, int count) => _workers.Record(count, new KeyValuePair<string, object?>("rlhf.role", role));

    /// <inheritdoc/>
    public void Finished(ExperimentResult result) { }

    private void Record(string prefix, GenerationMetrics metrics, params ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        foreach (var (name, value) in MetricNames.Of(prefix, metrics))
            Record(name, value, tags);
    }

    private void Record(string name, double value, params ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        if (!_gauges.TryGetValue(name, out var gauge))
            // No unit: exporters put it into the name.
            _gauges[name] = gauge = DfpoTelemetry.Meter.CreateGauge<double>(name, unit: null, MetricCatalog.Find(name)?.Meaning);
        gauge.Record(value, tags);
    }
}
