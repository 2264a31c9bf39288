using DfPO.Tasks.Metrics;

namespace DfPO.Actors.Evaluation;

/// <summary>What an evaluation found out about one decoding.</summary>
/// <param name="Samples">In the order of the prompts, which come again for each further sample.</param>
/// <param name="Metrics">Figures of the whole.</param>
/// <param name="Intervals">95 % intervals of figures and text metrics by name: prompts are resampled, with all their samples.</param>
/// <param name="Texts">Text metrics by name; those without a value are left out.</param>
public sealed record EvaluationFigures(
    IReadOnlyList<Sample> Samples,
    GenerationMetrics Metrics,
    IReadOnlyDictionary<string, Interval> Intervals,
    IReadOnlyDictionary<string, double> Texts
);
