using System.Text.Json.Nodes;
using DfPO.Actors.Experiments;
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
        var progress = Progress.Of(s_config, 0).With("rollout", 2).With("reward", 1)
            .With(Reports.Evaluation("validation", DecodingPolicy.Policy, 0, reward: 0.41)).With(Reports.Evaluation("test", DecodingPolicy.Negative, 0, reward: 0.99))
            .With(Reports.Iteration(1, reward: 0.52)).With(Reports.Evaluation("validation", DecodingPolicy.Negative, 1, reward: 0.63));
        console.Write(LiveTable.Render(progress, "runs/demo"));
        Assert.Contains("demo: iteration 1/50, workers: 1 reward, 2 rollout, runs/demo", console.Output);
        var row = Assert.Single(console.Lines, line => line.Contains("0.520"));
        Assert.Equal(["1", "0.520", "0.410", "0.630", "0.0042", "30.00", "98 %", "97 %", "412", "3m20s"], row.Split('│', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries));
        Assert.DoesNotContain("0.990", console.Output);
    }

    [Fact]
    public void The_tables_fit_a_terminal_of_80_columns()
    {
        using var console = new TestConsole().Width(80);
        console.Write(LiveTable.Render(Progress.Of(s_config, 0).With(Reports.Iteration(1)).With(Reports.Evaluation("validation", DecodingPolicy.Negative, 1)), null));
        console.Write(FinalReport.Figures(Reports.Result()));
        Assert.All(["pi_theta", "mask-", "3m20s", "distinct-2", "after, pi_theta", "0.0123"], text => Assert.Contains(text, console.Output));
        Assert.DoesNotContain("…", console.Output);
    }

    [Fact]
    public void The_live_table_keeps_the_latest_rows()
    {
        using var console = new TestConsole().Width(140);
        console.Write(LiveTable.Render(Enumerable.Range(1, 30).Aggregate(Progress.Of(s_config, 0), (progress, i) => progress.With(Reports.Iteration(i))), null));
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
            "validation after iteration 0, pi-: reward 0.500  perplexity 30.00  distinct-1 0.250  distinct-2 0.750  length 32.00  KL 0.0123",
            "iteration 1/50: reward 0.500  KL 0.0042  perplexity 30.00  mask+ 98 %  mask- 97 %  412 tokens/s  ETA 3m20s",
        ], output.ToString().Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries));
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
        FinalReport.Write(LineReporter.Plain(output), Reports.Result(), samples: 1, "runs/demo");
        var text = output.ToString();
        string[] Cells(string name) => text.Split('\n').First(line => line.Contains($"│ {name} ")).Split('│', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(["before", "0.500", "30.00", "0.250", "0.750", "32.00", "0.0123"], Cells("before"));
        Assert.Equal(["after, pi-", "0.700", "33.00", "0.250", "0.750", "32.00", "0.0123"], Cells("after, pi-"));
        Assert.Equal(["change", "+10.0 %", "+2.0 %", "0.0 %", "0.0 %", "0.0 %", "0.0 %"], Cells("  change"));
        Assert.Contains("Under pi_theta, reward rose (0.500 -> 0.550, +10.0 %) and perplexity stayed within 5 % (30.00 -> 30.60, +2.0 %).", text);
        Assert.Contains("Under pi-, reward rose (0.500 -> 0.700, +40.0 %) but perplexity did not stay within 5 % (30.00 -> 33.00, +10.0 %).", text);
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
    public void A_change_from_nothing_is_a_dash(double before, double after, string text) => Assert.Equal(text, Verdict.Percent(before, after));

    [Theory]
    [InlineData(0.5, 30, 0.4, 30, "reward did not rise", "but perplexity stayed")]
    [InlineData(0.5, 30, 0.5, 20, "reward did not rise", "and perplexity did not stay")]
    [InlineData(0.5, 30, 0.6, 28.5, "reward rose", "and perplexity stayed")]
    [InlineData(0.5, 30, 0.6, double.NaN, "reward rose", "but perplexity did not stay")]
    public void A_verdict_is_honest(double rewardBefore, double perplexityBefore, double reward, double perplexity, string first, string second)
    {
        var sentence = Verdict.Of(Reports.Evaluation("test", DecodingPolicy.Policy, 0, rewardBefore, perplexityBefore), Reports.Evaluation("test", DecodingPolicy.Policy, 9, reward, perplexity)).Sentence;
        Assert.Contains(first, sentence);
        Assert.Contains(second, sentence);
    }

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
        var lines = output.ToString().Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries).Select(line => JsonNode.Parse(line)!).ToList();
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
        console.Write(LiveTable.Render(Progress.Of(s_config, 0).With(report).With(report with { Iteration = 5 }).With(Reports.Iteration(6)), null));
        const string warning = "warning: Iteration 4, rollout: it repeats itself. [learner/repetition]";
        Assert.StartsWith(warning, lines.ToString());
        Assert.Single(console.Lines, line => line.Trim() == warning);
        var written = JsonNode.Parse(json.ToString().Split(Environment.NewLine)[0])!;
        Assert.Equal(("warning", 4, "learner/repetition"), ((string?)written["type"], (int)written["iteration"]!, (string?)written["code"]));
    }

    [Fact]
    public void Without_rollouts_a_line_tells_the_rule_s_own_figures()
    {
        var output = new StringWriter();
        new LineReporter(output).IterationFinished(Reports.Iteration(1) with { Rollout = null, Metrics = new Dictionary<string, double> { ["supervised/nll"] = 2.5, ["time/learn"] = 1 } });
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
