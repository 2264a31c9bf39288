using DfPO.Actors.Configuration;
using DfPO.Actors.Experiments;
using DfPO.Models;

namespace DfPO.Host.Runs;

/// <summary>What a replay repeats.</summary>
/// <param name="Config">The run's configuration, with as many iterations as the journal has and as many torch threads as the learner
/// used.</param>
/// <param name="Lines">The run's journal.</param>
internal sealed record ReplayPlan(ExperimentConfig Config, IReadOnlyList<JournalLine> Lines)
{
    /// <summary>Checks that a journal and a configuration belong together.</summary>
    /// <param name="config">Configuration of the run.</param>
    /// <param name="lines">Its journal.</param>
    /// <param name="run">The run, for messages.</param>
    /// <exception cref="DfpoException"><c>replay/journal</c> or <c>replay/threads</c>.</exception>
    public static ReplayPlan Of(ExperimentConfig config, IReadOnlyList<JournalLine> lines, string run)
    {
        if (lines.Count == 0)
            throw new DfpoException(
                "replay/journal",
                $"'{run}' has no journal.jsonl with a finished update, so there is nothing to replay: start the experiment with 'dfpo run {Path.Combine(run, "experiment.conf")}' instead."
            );
        var grid = UnitGrid.Of(config);
        if (
            lines.FirstOrDefault(line =>
                line.Units.Count != grid.PerIteration
                || line.Units.Any(unit => grid.Unit(unit.Number, unit.Version) != unit)
                || line.Staleness > config.Async.MaxStaleness
            ) is
            { } odd
        )
            throw new DfpoException(
                "replay/journal",
                $"Iteration {odd.Iteration} of '{run}' learnt from units that its experiment.conf does not give ({odd.Units.Count} units, staleness up to {odd.Staleness}): "
                    + "it was resumed with other settings, or the journal is another run's. Only a run of one configuration can be replayed."
            );
        if (lines.FirstOrDefault(line => line.Threads != lines[0].Threads) is { } other)
            throw new DfpoException(
                "replay/threads",
                $"'{run}' learnt with {lines[0].Threads} torch threads up to iteration {other.Iteration - 1} and with {other.Threads} from there on, "
                    + "because it was resumed with other settings or on another machine; sums round differently then. Only a run of one number of threads can be replayed."
            );
        return new(config with { Iterations = lines.Count, Model = config.Model with { LearnerThreads = lines[0].Threads } }, lines);
    }

    /// <summary>Writes what is to be repeated into a folder's journal of that name.</summary>
    public void Write(ArrivalJournal replayed)
    {
        foreach (var line in Lines)
            replayed.Append(line);
    }

    /// <summary>The verdict on a replay that came to its end, and so had the run's weights before every iteration.</summary>
    /// <param name="digest">Digest of its final weights.</param>
    /// <param name="expected">That of the run's; null when the run had not ended when the replay began.</param>
    /// <param name="learner">The process that was learning for the run then; null when none was.</param>
    /// <exception cref="DfpoException"><c>replay/differs</c>.</exception>
    public string Compare(string digest, string? expected, string? learner = null) =>
        learner is not null || expected is null
            ? $"The replay is equal: the weights before each of {Lines.Count} iterations are the run's, bit for bit. The run {(learner is null ? "was cut off before its end" : $"was still learnt by {learner}")}, so there are no final weights to compare."
        : digest == expected
            ? $"The replay is equal: the weights of all {Lines.Count} iterations are the run's, bit for bit ({digest[..12]})."
        : throw new DfpoException(
            "replay/differs",
            $"The replay differs from the run: iteration {Lines.Count}, the last, is the first with other weights ({digest[..12]} instead of {expected[..Math.Min(12, expected.Length)]})."
        );
}
