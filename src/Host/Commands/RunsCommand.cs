using System.CommandLine;
using System.Text.Json.Nodes;
using DfPO.Host.Composition;
using DfPO.Host.Reporting;
using DfPO.Host.Runs;
using DfPO.Host.Store;
using Spectre.Console;

namespace DfPO.Host.Commands;

/// <summary><c>runs</c>: what the run folders hold, from the store that indexes them.</summary>
internal static class RunsCommand
{
    private static readonly string[] s_figures = ["reward", "perplexity", "entropy", "kl", "distinct_2"];

    public static Command Create() =>
        new("runs", "List, show and compare runs; an SQLite file in the runs' folder indexes them and is brought up to date each time.")
        {
            List(),
            Show(),
            Compare(),
        };

    private static Command List()
    {
        var (runs, json) = Shared();
        var rebuild = new Option<bool>("--rebuild") { Description = "Make the index anew from the run folders." };
        var command = new Command(
            "list",
            """
            List all runs, those of studies included, with their figures on held-out prompts. Only a finished run has such figures; of the others, halving has ended the stopped ones,
            the failed ones are tried again by 'dfpo study run --resume', and the unfinished ones run or can be resumed. Example:
              dfpo runs list --runs-dir runs --json
            """
        )
        {
            runs,
            json,
            rebuild,
        };
        command.SetAction(result =>
        {
            using var store = RunStore.Open(result.GetValue(runs)!, Warn, result.GetValue(rebuild));
            if (result.GetValue(json))
            {
                foreach (var run in store.All())
                    Console.WriteLine(Summary(run).ToJsonString(JsonLinesFile.Format));
                return;
            }
            var table = Table(["run", "objective", "seed", "status", "iterations", .. s_figures]);
            foreach (var run in store.All())
                table.AddRow([
                    .. new[] { run.Name, run.Objective, run.Seed, run.Status, $"{run.Iterations}/{run.Planned}" }
                        .Concat(s_figures.Select(name => Cell(run.Final(name))))
                        .Select(Markup.Escape),
                ]);
            LineReporter.Plain(Console.Out).Write(table);
        });
        return command;
    }

    private static Command Show()
    {
        var (runs, json) = Shared();
        var name = new Argument<string>("run") { Description = "Name or path of the run's folder." };
        var samples = new RunSamples();
        var command = new Command(
            "show",
            """
            Show a run's figures, the last values of its curves and its resolved configuration, or continuations that it learnt from. Examples:
              dfpo runs show imdb-tiny-20260101-120000
              dfpo runs show imdb-tiny-20260101-120000 --samples 10 --sort=-reward
              dfpo runs show imdb-tiny-20260101-120000 --samples 1000 --iteration 7 --json
            """
        )
        {
            name,
            runs,
            json,
        };
        samples.AddTo(command);
        command.SetAction(result =>
        {
            using var store = RunStore.Open(result.GetValue(runs)!, Warn);
            var run = store.Find(result.GetValue(name)!);
            if (samples.Print(result, RunFolder.Open(run.Path), result.GetValue(json)))
                return;
            var intervals = RunRecord.Open(run.Path).Intervals();
            if (result.GetValue(json))
            {
                var line = Summary(run);
                line["figures"] = Object(run.Figures);
                line["intervals"] = MetricNames.Of(intervals);
                line["last"] = Object(run.Last);
                line["config"] = new JsonObject(run.Config.Select(pair => KeyValuePair.Create(pair.Key, (JsonNode?)pair.Value)));
                Console.WriteLine(line.ToJsonString(JsonLinesFile.Format));
                return;
            }
            Console.WriteLine(
                $"{run.Name}: {run.Status}{(run.Note.Length > 0 ? $" ({run.Note})" : "")}, {run.Iterations} of {run.Planned} iterations, {run.Path}"
            );
            Print(
                "held-out prompts",
                [run.Name],
                run.Figures.Select(pair =>
                    (
                        pair.Key,
                        (IReadOnlyList<string>)
                            [
                                $"{Cell(pair.Value)} {FigureTable.Brackets(intervals.TryGetValue(pair.Key, out var interval) ? interval : null, Verdict.Figure)}".TrimEnd(),
                            ]
                    )
                )
            );
            Print("last value", [run.Name], run.Last.Select(pair => (pair.Key, (IReadOnlyList<string>)[Cell(pair.Value)])));
            Print("configuration", [run.Name], run.Config.Select(pair => (pair.Key, (IReadOnlyList<string>)[pair.Value])));
        });
        return command;
    }

    private static Command Compare()
    {
        var (runs, json) = Shared();
        var names = new Argument<string[]>("run")
        {
            Description = "Names or paths of two runs or more.",
            Arity = new ArgumentArity(2, 100),
        };
        var command = new Command(
            "compare",
            """
            Compare runs: how far they came, keys of the configuration that differ, figures on held-out prompts, last values of the curves. Those of a run that is not finished are of
            where it was left. Example:
              dfpo runs compare imdb-tiny-20260101-120000 imdb-tiny-ppo-20260101-130000
            """
        )
        {
            names,
            runs,
            json,
        };
        command.SetAction(result =>
        {
            using var store = RunStore.Open(result.GetValue(runs)!, Warn);
            IndexedRun[] compared = [.. result.GetValue(names)!.Select(store.Find)];
            var comparison = RunDifferences.Of(compared);
            if (result.GetValue(json))
            {
                Console.WriteLine(
                    new JsonObject
                    {
                        ["runs"] = new JsonArray([.. compared.Select(run => (JsonNode)run.Name)]),
                        ["status"] = new JsonArray([.. compared.Select(run => (JsonNode)run.Status)]),
                        ["iterations"] = new JsonArray([.. compared.Select(run => (JsonNode)run.Iterations)]),
                        ["planned"] = new JsonArray([.. compared.Select(run => (JsonNode)run.Planned)]),
                        ["config"] = Rows(comparison.Config, value => value),
                        ["figures"] = Rows(comparison.Figures, value => value),
                        ["last"] = Rows(comparison.Last, value => value),
                    }.ToJsonString(JsonLinesFile.Format)
                );
                return;
            }
            string[] header = [.. compared.Select(run => run.Name)];
            Print(
                "run",
                header,
                [
                    ("status", [.. compared.Select(run => run.Status)]),
                    ("iterations", [.. compared.Select(run => $"{run.Iterations}/{run.Planned}")]),
                ]
            );
            Print(
                "configuration",
                header,
                comparison.Config.Select(row => (row.Key, (IReadOnlyList<string>)[.. row.Values.Select(value => value ?? "")]))
            );
            Print(
                "held-out prompts",
                header,
                comparison.Figures.Select(row => (row.Key, (IReadOnlyList<string>)[.. row.Values.Select(Cell)]))
            );
            Print("last value", header, comparison.Last.Select(row => (row.Key, (IReadOnlyList<string>)[.. row.Values.Select(Cell)])));
        });
        return command;
    }

    private static (Option<string> Runs, Option<bool> Json) Shared() =>
        (
            Options.Of("--runs-dir", "Folder that the runs' folders are in.", new RunOptions().RunsDirectory),
            new Option<bool>("--json") { Description = "JSON on stdout." }
        );

    private static void Warn(string line) => Console.Error.WriteLine($"dfpo: left out: {line}");

    private static void Print(string title, string[] runs, IEnumerable<(string Key, IReadOnlyList<string> Values)> rows)
    {
        var table = Table([title, .. runs]);
        foreach (var (key, values) in rows)
            table.AddRow([.. values.Prepend(key).Select(Markup.Escape)]);
        LineReporter.Plain(Console.Out).Write(table);
    }

    private static Table Table(params string[] columns) =>
        new Table().Border(TableBorder.Rounded).AddColumns([.. columns.Select(Markup.Escape)]);

    private static string Cell(double? value) => value is { } number ? Verdict.Figure(number) : "";

    private static JsonObject Summary(IndexedRun run) =>
        new()
        {
            ["run"] = run.Name,
            ["path"] = run.Path,
            ["objective"] = run.Objective,
            ["seed"] = run.Seed,
            ["status"] = run.Status,
            ["note"] = run.Note,
            ["iterations"] = run.Iterations,
            ["planned"] = run.Planned,
            ["final"] = new JsonObject(s_figures.Select(name => KeyValuePair.Create(name, (JsonNode?)run.Final(name)))),
        };

    private static JsonObject Object(IReadOnlyDictionary<string, double> values) =>
        new(values.Select(pair => KeyValuePair.Create(pair.Key, (JsonNode?)pair.Value)));

    private static JsonObject Rows<T>(IReadOnlyList<(string Key, IReadOnlyList<T> Values)> rows, Func<T, JsonNode?> value) =>
        new(rows.Select(row => KeyValuePair.Create(row.Key, (JsonNode?)new JsonArray([.. row.Values.Select(value)]))));
}
