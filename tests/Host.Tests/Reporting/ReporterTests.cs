using System.Text.Json.Nodes;
using DfPO.Actors.Configuration;
using DfPO.Host.Reporting;
using DfPO.Models.Policies;
using Spectre.Console.Testing;

namespace DfPO.Host.Tests.Reporting;

public sealed class ReporterTests
{
    private static readonly ExperimentConfig s_config = new() { Name = "demo", Iterations = 50 };

    [Fact]
    public void The_live_table_shows_iterations_validations_masks_and_workers()
    {
        using var console = new TestConsole().Width(140);
        var progress = Progress
            .Of(s_config, 0)
            .With("rollout", 2)
            .With("reward", 1)
            .With(Reports.Evaluation("validation", DecodingPolicy.Policy, 0, reward: 0.41))
            .With(Reports.Evaluation("test", DecodingPolicy.Negative, 0, reward: 0.99))
            .With(Reports.Iteration(1, reward: 0.52))
            .With(Reports.Evaluation("validation", DecodingPolicy.Negative, 1, reward: 0.63));
        console.Write(LiveTable.Render(progress, "runs/demo"));
        Assert.Contains("demo: iteration 1/50, workers: 1 reward, 2 rollout, runs/demo", console.Output);
        var row = Assert.Single(console.Lines, line => line.Contains("0.520"));
        Assert.Equal(
            ["1", "0.520", "0.410", "0.630", "0.0042", "30.00", "98 %", "97 %", "412", "3m20s"],
            row.Split('│', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
        );
        Assert.DoesNotContain("0.990", console.Output);
    }

    [Fact]
    public void The_tables_fit_a_terminal()
    {
        using TestConsole narrow = new TestConsole().Width(80),
            wide = new TestConsole().Width(130);
        narrow.Write(
            LiveTable.Render(
                Progress.Of(s_config, 0).With(Reports.Iteration(1)).With(Reports.Evaluation("validation", DecodingPolicy.Negative, 1)),
                null
            )
        );
        wide.Write(FinalReport.Figures(Reports.Result()));
        Assert.All(["pi_theta", "mask-", "3m20s"], text => Assert.Contains(text, narrow.Output));
        Assert.All(["distinct-2", "entropy", "after, pi_theta", "0.0123"], text => Assert.Contains(text, wide.Output));
        Assert.DoesNotContain("…", narrow.Output + wide.Output);
        Assert.All(wide.Lines, line => Assert.True(line.Length <= 130));
    }

    [Fact]
    public void The_live_table_keeps_the_latest_rows()
    {
        using var console = new TestConsole().Width(140);
        console.Write(
            LiveTable.Render(
                Enumerable.Range(1, 30).Aggregate(Progress.Of(s_config, 0), (progress, i) => progress.With(Reports.Iteration(i))),
                null
            )
        );
        Assert.Contains("│   30│", console.Output);
        Assert.DoesNotContain("│   18│", console.Output);
    }

    [Fact]
    public void A_live_run_ends_with_its_report()
    {
        using var console = new TestConsole().Width(140).Interactive();
        using var live = new LiveTable(console, "runs/demo");
        live.WorkersChanged("rollout", 1);
        live.Started(s_config, 0);
        live.IterationFinished(Reports.Iteration(1, reward: 0.52));
        live.Finished(Reports.Result());
        Assert.Contains("1 rollout", console.Output);
        Assert.Contains("0.520", console.Output);
        Assert.Contains("Run folder: runs/demo", console.Output);
    }

    [Fact]
    public void The_line_reporter_prints_one_line_an_event_in_any_culture()
    {
        var output = new StringWriter();
        var reporter = new LineReporter(output, "runs/demo");
        reporter.Started(s_config, 0);
        reporter.WorkersChanged("rollout", 2);
        reporter.Evaluated(Reports.Evaluation("validation", DecodingPolicy.Negative, 0));
        reporter.IterationFinished(Reports.Iteration(1));
        Assert.Equal(
            [
                "demo: starts, 50 iterations of 16 prompts, runs/demo",
                "workers: 2 rollout",
                "validation after iteration 0, pi-: reward 0.500 [0.493, 0.507]  perplexity 30.00 [29.60, 30.40]  entropy 3.389  KL 0.0123  distinct-2 0.750  length 32.00",
                "iteration 1/50: reward 0.500  KL 0.0042  perplexity 30.00  mask+ 98 %  mask- 97 %  412 tokens/s  ETA 3m20s",
            ],
            output.ToString().Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries)
        );
    }

    [Fact]
    public void A_quiet_reporter_prints_the_final_report_alone()
    {
        var output = new StringWriter();
        var reporter = new LineReporter(output, null, quiet: true);
        reporter.Started(s_config, 0);
        reporter.IterationFinished(Reports.Iteration(1));
        Assert.Equal("", output.ToString());
        reporter.Finished(Reports.Result());
        Assert.Contains("Held-out prompts", output.ToString());
    }

    [Fact]
    public void The_final_report_has_before_after_change_verdicts_and_samples()
    {
        var output = new StringWriter();
        FinalReport.Write(
            LineReporter.Plain(output),
            Reports.Result(),
            new ExperimentConfig
            {
                Evaluation = new() { Samples = 1, EquivalenceMargin = 0.1 },
            },
            "runs/demo"
        );
        var text = output.ToString();
        string[] Cells(string name) =>
            text.Split('\n')
                .First(line => line.Contains($"│ {name} "))
                .Split('│', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        string[] Below(string name) =>
            text.Split('\n')
                .SkipWhile(line => !line.Contains($"│ {name} "))
                .ElementAt(1)
                .Split('│', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(["before", "0.500", "30.00", "3.389", "0.0123", "0.250", "0.750", "32.00"], Cells("before"));
        Assert.Equal(["after, pi-", "0.700", "33.00", "3.484", "0.0123", "0.250", "0.750", "32.00"], Cells("after, pi-"));
        Assert.Equal(["change", "+10.0 %", "+2.0 %", "+0.020", "0.000", "0.0 %", "0.0 %", "0.0 %"], Cells("  change"));
        // What has no spread, such as the length here, has no interval either.
        Assert.Equal("[0.493, 0.507]", Below("before")[0]);
        Assert.Equal("[29.60, 30.40]", Below("before")[1]);
        var words = string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        Assert.Matches(
            @"Under pi_theta: reward rose, 0\.500 -> 0\.550 \(\+0\.050, 95 % \+0\.0\d\d to \+0\.0\d\d\); perplexity within 10 %: shown, 30\.00 -> 30\.60 \(\+2\.0 %, 95 % [-+]\d\.\d to \+\d\.\d %; 21 continuations of 21 prompts\); KL 0\.0123 -> 0\.0123 nats a token\.",
            words
        );
        Assert.Contains("perplexity within 10 %: not shown, 30.00 -> 33.00 (+10.0 %, 95 % +", words);
        Assert.Contains("is [negative] text [0.700]", text);
        Assert.DoesNotContain("A story", text);
        Assert.DoesNotContain("\u001b", text);
    }

    [Theory]
    [InlineData(0.5, 0.55, "+10.0 %")]
    [InlineData(-0.5, -0.55, "-10.0 %")]
    [InlineData(0, 0.1, "-")]
    [InlineData(0, 0, "-")]
    [InlineData(2.8e-6, 0.0354, "-")]
    [InlineData(0.5, double.NaN, "-")]
    public void A_change_from_nothing_is_a_dash(double before, double after, string text) =>
        Assert.Equal(text, Verdict.Percent(before, after));

    [Fact]
    public void The_json_reporter_prints_one_object_a_line()
    {
        var output = new StringWriter();
        var reporter = new JsonReporter(output, "runs/demo");
        reporter.Started(s_config, 3);
        reporter.WorkersChanged("reward", 1);
        reporter.IterationFinished(Reports.Iteration(4));
        reporter.Evaluated(Reports.Evaluation("validation", DecodingPolicy.Negative, 5));
        reporter.Finished(Reports.Result());
        var lines = output
            .ToString()
            .Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonNode.Parse(line)!)
            .ToList();
        Assert.Equal(["started", "workers", "iteration", "evaluation", "result"], lines.Select(line => (string?)line["type"]));
        Assert.Equal(3, (int?)lines[0]["iteration"]);
    }

    [Fact]
    public void An_observer_that_throws_is_switched_off_and_the_others_go_on()
    {
        var (errors, output) = (new StringWriter(), new StringWriter());
        var composite = new CompositeObserver(errors, new LineReporter(new Broken()), new LineReporter(output));
        composite.IterationFinished(Reports.Iteration(1));
        composite.IterationFinished(Reports.Iteration(2));
        Assert.Equal(2, output.ToString().Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.Equal("dfpo: LineReporter failed and is switched off: the disk is full", errors.ToString().TrimEnd());
    }

    [Fact]
    public void A_warning_is_told_by_every_reporter()
    {
        var report = Reports.Iteration(4) with { Warnings = [new("learner/repetition", "Iteration 4, rollout: it repeats itself.")] };
        var (lines, json) = (new StringWriter(), new StringWriter());
        new LineReporter(lines).IterationFinished(report);
        new JsonReporter(json).IterationFinished(report);
        using var console = new TestConsole().Width(140);
        console.Write(
            LiveTable.Render(Progress.Of(s_config, 0).With(report).With(report with { Iteration = 5 }).With(Reports.Iteration(6)), null)
        );
        const string warning = "warning: Iteration 4, rollout: it repeats itself. [learner/repetition]";
        Assert.StartsWith(warning, lines.ToString());
        Assert.Single(console.Lines, line => line.Trim() == warning);
        var written = JsonNode.Parse(json.ToString().Split(Environment.NewLine)[0])!;
        Assert.Equal(
            ("warning", 4, "learner/repetition"),
            ((string?)written["type"], (int)written["iteration"]!, (string?)written["code"])
        );
    }

    [Fact]
    public void Without_rollouts_a_line_tells_the_rule_s_own_figures()
    {
        var output = new StringWriter();
        new LineReporter(output).IterationFinished(
            Reports.Iteration(1) with
            {
                Rollout = null,
                Metrics = new Dictionary<string, double> { ["supervised/nll"] = 2.5, ["time/learn"] = 1 },
            }
        );
        Assert.Equal("iteration 1/50: supervised/nll 2.500  412 tokens/s  ETA 3m20s", output.ToString().TrimEnd());
        using var console = new TestConsole().Width(140);
        console.Write(LiveTable.Render(Progress.Of(s_config, 0).With(Reports.Iteration(1) with { Rollout = null }), null));
        Assert.Contains("n/a", console.Output);
    }

    private sealed class Broken : StringWriter
    {
        public override void WriteLine(string? value) => throw new IOException("the disk is full");
    }
}
