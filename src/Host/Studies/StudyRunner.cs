using DfPO.Actors.Configuration;
using DfPO.Actors.Experiments;
using DfPO.Host.Composition;
using DfPO.Host.Configuration;
using DfPO.Models;

namespace DfPO.Host.Studies;

/// <summary>Runs what is left of a study, each trial as a <c>dfpo run</c> of its own in a folder of its own.</summary>
/// <param name="folder">The study.</param>
/// <param name="parallel">Most trials side by side.</param>
/// <param name="output">Where lines go.</param>
internal sealed class StudyRunner(StudyFolder folder, int parallel, TextWriter output)
{
    private static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(500);

    // As long as a run may take to end its step and to save.
    private static readonly TimeSpan s_farewell = TimeSpan.FromSeconds(60);

    /// <summary>Runs it to its end.</summary>
    /// <returns>What came of it.</returns>
    /// <exception cref="OperationCanceledException">Cancelled; all trials can be resumed.</exception>
    public async Task<StudyState> Run(CancellationToken cancellation)
    {
        var state = folder.State().Retried();
        var running = new Dictionary<string, Task<TrialState>>();
        while (true)
        {
            if (!cancellation.IsCancellationRequested)
                foreach (var next in state.Next(running.Keys.ToHashSet(), parallel))
                    running[next.Trial.Name] = Task.Run(() => RunTrial(next.Trial, cancellation), CancellationToken.None);
            if (running.Count == 0)
                break;
            var ended = await (await Task.WhenAny(running.Values));
            running.Remove(ended.Trial.Name);
            state = state.With(ended);
            Line(
                $"{ended.Trial.Name}: {ended.Status switch { TrialStatus.Finished => "finished", TrialStatus.Stopped => "stopped by halving", TrialStatus.HalfDone => "interrupted", _ => "failed" }}{(ended.Note.Length > 0 ? $" ({ended.Note})" : "")}; {Ended(state)}"
            );
        }
        cancellation.ThrowIfCancellationRequested();
        return state;
    }

    private static string Ended(StudyState state)
    {
        string And(TrialStatus status, string word) => state.Count(status) is > 0 and var count ? $", {count} {word}" : "";
        return $"{state.Count(TrialStatus.Finished)} of {state.Trials.Count} finished{And(TrialStatus.Stopped, "stopped")}{And(TrialStatus.Failed, "failed")}";
    }

    /// <summary>The command line of a trial that begins, on its share of the processors.</summary>
    /// <param name="trial">The trial.</param>
    /// <param name="runs">Folder that its run's folder is made in.</param>
    /// <param name="config">Its configuration.</param>
    /// <param name="share">Processors for it.</param>
    internal static string[] Arguments(Trial trial, string runs, ExperimentConfig config, int share)
    {
        (string Key, int Wanted)[] threads =
        [
            ("rollout.threads", config.Rollout.Threads),
            ("model.learner-threads", config.TorchThreadsOfLearner()),
        ];
        var divided = threads
            .Where(thread => !trial.Alone && thread.Wanted > share && trial.Settings.All(setting => setting.Key != thread.Key))
            .Select(thread => new Setting(thread.Key, $"{share}"));
        return
        [
            "run",
            trial.Experiment,
            "--runs-dir",
            runs,
            "--port",
            "0",
            "--stop-with-stdin",
            .. trial.Settings.Concat(divided).SelectMany(setting => new[] { "--set", setting.ToString() }),
        ];
    }

    private async Task<TrialState> RunTrial(Trial trial, CancellationToken cancellation)
    {
        try
        {
            folder.Forget(trial);
            var config = ExperimentFile.Load(trial.Experiment, trial.Settings.Select(setting => setting.ToString()));
            string[] arguments;
            if (folder.Run(trial) is { } run)
            {
                // The process of a study that was killed may still be ending its step.
                (await RunLock.Acquire(run.Path, s_farewell, cancellation)).Dispose();
                if (File.Exists(run.Result))
                    return new(trial, TrialStatus.Finished);
                arguments = ["run", "--resume", run.Path, "--port", "0", "--stop-with-stdin"];
                Line($"{trial.Name}: goes on");
            }
            else
            {
                arguments = Arguments(trial, folder.TrialFolder(trial), config, Math.Max(1, Environment.ProcessorCount / parallel));
                Line($"{trial.Name}: starts");
            }
            return await Watch(trial, arguments, config.Iterations, cancellation);
        }
        catch (OperationCanceledException)
        {
            return new(trial, TrialStatus.HalfDone);
        }
        catch (Exception e)
        {
            return Failed(trial, e.Message);
        }
    }

    private async Task<TrialState> Watch(Trial trial, string[] arguments, int iterations, CancellationToken cancellation)
    {
        var lastError = "";
        using var log = TextWriter.Synchronized(new StreamWriter(folder.Output(trial), append: true) { AutoFlush = true });
        using var child = ChildProgram.Start(
            arguments,
            line =>
            {
                log.WriteLine(line);
                if (line.StartsWith("dfpo: ", StringComparison.Ordinal))
                    lastError = line["dfpo: ".Length..];
            },
            holdsStdin: true
        );
        var exit = child.Exit();
        var rungs = new Queue<int>(folder.Plan.Halving?.Rungs(iterations) ?? []);
        try
        {
            while (await Task.WhenAny(exit, Task.Delay(s_poll, cancellation)) != exit)
            {
                cancellation.ThrowIfCancellationRequested();
                if (Hopeless(trial, rungs) is { } why)
                {
                    await Stop(child, exit);
                    // It may have come to its end meanwhile.
                    if (HasResult(trial))
                        return new(trial, TrialStatus.Finished);
                    var stopped = new TrialState(trial, TrialStatus.Stopped, why);
                    folder.Note(stopped);
                    return stopped;
                }
            }
        }
        catch
        {
            await Stop(child, exit);
            throw;
        }
        return HasResult(trial) ? new(trial, TrialStatus.Finished)
            : cancellation.IsCancellationRequested ? new(trial, TrialStatus.HalfDone)
            : Failed(trial, lastError.Length > 0 ? lastError : $"exit code {await exit}, see {folder.Output(trial)}");
    }

    private bool HasResult(Trial trial) => folder.Run(trial) is { } run && File.Exists(run.Result);

    /// <summary>Why a trial is to be stopped at a rung that it has reached; null when it goes on.</summary>
    private string? Hopeless(Trial trial, Queue<int> rungs)
    {
        if (folder.Plan.Halving is not { } halving || !rungs.TryPeek(out var rung) || Figure(trial, halving, rung) is not { } own)
            return null;
        if (double.IsNaN(own))
            throw new DfpoException(
                "study/metric",
                $"halving.metric '{halving.Metric}' is not in '{folder.Run(trial)!.Metrics}' up to iteration {rung}: take a name that is there, such as rollout/reward."
            );
        rungs.Dequeue();
        double[] others =
        [
            .. folder
                .Plan.Trials.Where(other => other.Task == trial.Task && other.Name != trial.Name)
                .Select(other => Figure(other, halving, rung))
                .OfType<double>(),
        ];
        return halving.Stops(own, others)
            ? FormattableString.Invariant(
                $"{halving.Metric} {own:G4} after iteration {rung} is not among the best {halving.Keep:P0} of {others.Length + 1} trials"
            )
            : null;
    }

    private double? Figure(Trial trial, Halving halving, int rung) =>
        folder.Run(trial) is { } run && File.Exists(run.Metrics)
            ? RungFigures.At(File.ReadAllLines(run.Metrics), halving.Metric, rung, File.Exists(run.Result))
            : null;

    private static async Task Stop(ChildProgram child, Task<int> exit)
    {
        child.CloseStdin();
        if (await Task.WhenAny(exit, Task.Delay(s_farewell)) != exit)
            child.Kill();
        await exit;
    }

    private TrialState Failed(Trial trial, string note)
    {
        var failed = new TrialState(trial, TrialStatus.Failed, note);
        folder.Note(failed);
        return failed;
    }

    private void Line(string text)
    {
        lock (output)
        {
            output.WriteLine(text);
            output.Flush();
        }
    }
}
