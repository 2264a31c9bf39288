using System.CommandLine;
using System.Text.Json.Nodes;
using DfPO.Actors.Experiments;
using DfPO.Host.Composition;
using DfPO.Host.Configuration;
using DfPO.Host.Reporting;
using DfPO.Host.Runs;
using DfPO.Host.Studies;
using Spectre.Console;

namespace DfPO.Host.Commands;

/// <summary><c>study</c>: many runs that differ in task, algorithm, swept keys and seed.</summary>
internal static class StudyCommand
{
    public static Command Create() => new("study", "Run and inspect studies: tasks x algorithms x swept keys x seeds.") { Run(), Show() };

    private static Command Run()
    {
        var file = new Argument<string>("study") { Description = "HOCON file of the study." };
        var parallel = Options.AtLeast(
            "--parallel",
            "Trials side by side, which share the processors; a task with alone = true always runs by itself.",
            1,
            1
        );
        var resume = new Option<bool>("--resume")
        {
            Description = "Go on with a study: finished and stopped trials are kept, half-done and failed ones resumed.",
        };
        var runs = Options.Of("--runs-dir", "Folder that the study's folder is made in.", new RunOptions().RunsDirectory);
        var command = new Command(
            "run",
            """
            Run a study. A trial that fails does not stop the others; exit code 1 tells that there was one. With halving { ... } in the file, trials that do worse than others of their
            task on the way are stopped; they count neither as finished nor as failed. docs/studies.md tells what may stand in the file. Examples:
              dfpo study run hocon/studies/imdb-tiny-claim.conf --parallel 2
              dfpo study run hocon/studies/imdb-tiny-claim.conf --resume
            """
        )
        {
            file,
            parallel,
            resume,
            runs,
        };
        command.SetAction(
            async (result, cancellation) =>
            {
                var path = result.GetValue(file)!;
                var plan = StudyPlan.Of(StudyFile.Read(path));
                // All are checked before the first one starts.
                foreach (var trial in plan.Trials)
                    ExperimentFile.Load(trial.Experiment, trial.Settings.Select(setting => setting.ToString()));
                var root = Directory.CreateDirectory(Path.Combine(result.GetValue(runs)!, plan.Name)).FullName;
                using var only = await RunLock.Acquire(root, TimeSpan.Zero, cancellation);
                var folder = StudyFolder.Prepare(root, plan, result.GetValue(resume));
                Console.WriteLine($"{plan.Name}: {plan.Trials.Count} trials in {folder.Path}");
                try
                {
                    var state = await new StudyRunner(folder, result.GetValue(parallel), Console.Out).Run(cancellation);
                    Console.WriteLine(state.Summary());
                    foreach (var failed in state.Trials.Where(trial => trial.Status == TrialStatus.Failed))
                        Console.Error.WriteLine($"dfpo: trial {failed.Trial.Name} failed: {failed.Note}");
                    return state.Count(TrialStatus.Failed) > 0 ? 1 : 0;
                }
                catch (OperationCanceledException)
                {
                    Console.Error.WriteLine(
                        $"dfpo: stopped; go on with: dfpo study run {path} --runs-dir {result.GetValue(runs)} --resume"
                    );
                    throw;
                }
            }
        );
        return command;
    }

    private static Command Show()
    {
        var study = new Argument<string>("study") { Description = "Folder of the study." };
        var json = new Option<bool>("--json") { Description = "One JSON object a trial." };
        var command = new Command(
            "show",
            """
            Show a study's trials and how far each has come. Example:
              dfpo study show runs/imdb-tiny-claim
            """
        )
        {
            study,
            json,
        };
        command.SetAction(result =>
        {
            var folder = StudyFolder.Open(result.GetValue(study)!);
            var state = folder.State();
            if (result.GetValue(json))
            {
                foreach (var trial in state.Trials)
                    Console.WriteLine(Line(folder, trial).ToJsonString(JsonLinesFile.Format));
                return;
            }
            var table = new Table()
                .Title(Markup.Escape(folder.Plan.Name))
                .Border(TableBorder.Rounded)
                .AddColumn("trial")
                .AddColumn("status")
                .AddColumn("note");
            foreach (var trial in state.Trials)
                table.AddRow(Markup.Escape(trial.Trial.Name), trial.Status.ToString(), Markup.Escape(trial.Note));
            LineReporter.Plain(Console.Out).Write(table);
            Console.WriteLine(state.Summary());
        });
        return command;
    }

    private static JsonObject Line(StudyFolder folder, TrialState state) =>
        new()
        {
            ["trial"] = state.Trial.Name,
            ["task"] = state.Trial.Task,
            ["algorithm"] = state.Trial.Algorithm,
            ["point"] = state.Trial.Point,
            ["seed"] = state.Trial.Seed,
            ["status"] = Kebab.Of(state.Status.ToString()),
            ["note"] = state.Note,
            ["run"] = folder.Run(state.Trial)?.Path,
        };
}
