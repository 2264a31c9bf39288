using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using DfPO.Host.Reporting;
using DfPO.Host.Runs;
using DfPO.Models;
using Spectre.Console;

namespace DfPO.Host.Commands;

/// <summary>The part of <c>runs show</c> that prints kept training continuations.</summary>
internal sealed class RunSamples
{
    private readonly Option<int?> _samples = Options.Optional<int?>(
        "--samples",
        "Shows so many training continuations of an iteration in place of the figures; with --json all that is kept of them, an object a line."
    );
    private readonly Option<int?> _iteration = Options.Optional<int?>(
        "--iteration",
        "With --samples: the iteration; otherwise the newest that is kept."
    );
    private readonly Option<string> _sort = Options.Of(
        "--sort",
        "With --samples: index, reward, kl, length or repetition, the greatest first where a '-' stands before it (--sort=-reward).",
        "index"
    );
    private readonly Option<string> _search = Options.Of("--search", "With --samples: only those with this text in prompt or continuation.", "");

    public void AddTo(Command command)
    {
        _samples.Validators.Add(result => Options.RequireAtLeast(result, "--samples", 1));
        _sort.AcceptOnlyFromAmong([.. RolloutSummary.Orders.SelectMany(order => new[] { order, "-" + order })]);
        foreach (var option in new Option[] { _samples, _iteration, _sort, _search })
            command.Options.Add(option);
    }

    /// <summary>Prints them, where they were asked for.</summary>
    /// <returns>Whether they were.</returns>
    /// <exception cref="DfpoException"><c>runs/rollouts</c>: nothing is kept of the iteration.</exception>
    public bool Print(ParseResult result, RunFolder run, bool json)
    {
        if (result.GetValue(_samples) is not { } count)
            return false;
        var kept = run.Rollouts;
        var iteration = result.GetValue(_iteration) ?? kept.Iterations().LastOrDefault();
        var lines = kept.Read(iteration);
        var order = result.GetValue(_sort)!;
        var chosen = RolloutSummary
            .Select(RolloutSummary.Read(lines), order.TrimStart('-'), order.StartsWith('-'), result.GetValue(_search)!)
            .Take(count);
        if (json)
        {
            foreach (var one in chosen)
                Console.WriteLine(Whole(lines, one.Index, iteration).ToJsonString(JsonLinesFile.Format));
            return true;
        }
        var table = new Table().Border(TableBorder.Rounded).AddColumns("", "reward", "KL", "tokens", "policy", "prompt", "continuation");
        foreach (var one in chosen)
            table.AddRow([
                .. new[]
                {
                    one.Index.ToString(CultureInfo.InvariantCulture),
                    Verdict.Figure(one.Reward),
                    Verdict.Figure(one.Kl),
                    one.Length.ToString(CultureInfo.InvariantCulture),
                    MetricNames.Symbol(one.Behaviour),
                    one.Prompt,
                    one.Continuation,
                }.Select(Markup.Escape),
            ]);
        Console.WriteLine($"Continuations that iteration {iteration} learnt from:");
        LineReporter.Plain(Console.Out).Write(table);
        return true;
    }

    private static JsonObject Whole(byte[] lines, int index, int iteration)
    {
        var line = RolloutSummary.Whole(lines, index)!;
        line.Insert(0, "iteration", iteration);
        return line;
    }
}
