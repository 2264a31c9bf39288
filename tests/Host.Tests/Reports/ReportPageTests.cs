using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using DfPO.Host.Dashboard;
using DfPO.Host.Reports;
using DfPO.Host.Runs;
using DfPO.Host.Studies;

namespace DfPO.Host.Tests.Reporting;

public sealed partial class ReportPageTests : IDisposable
{
    private const string Nasty = " <script>alert('x')</script> & \"quoted\" </script>";
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_page_loads_nothing_from_anywhere()
    {
        var page = Page();
        Assert.DoesNotMatch(Loading(), page);
        Assert.Contains("default-src 'none'", page);
        Assert.DoesNotContain("sourceMappingURL", page);
        Assert.Contains("Permission is hereby granted", page);
    }

    [Fact]
    public void Texts_of_models_and_titles_are_escaped()
    {
        var page = Page();
        Assert.DoesNotContain("<script>alert", page);
        Assert.Contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;quoted&quot;", page);
        Assert.Contains("<title>A &lt;b&gt; title</title>", page);
        Assert.Equal(Opening().Count(page), page.Split("</script").Length - 1);
    }

    [Fact]
    public void Figures_settings_versions_and_what_is_missing_are_in_it()
    {
        var page = Page();
        // Rewards 0.6 and 0.8: their mean, and an interval over runs and prompts that is a little wider than that of the two values.
        Assert.Matches(@"<td>0\.700 \[0\.5[89]\d, 0\.8[01]\d\]</td>", page);
        // Before training both runs are one: what is left is the prompts' part.
        Assert.Matches(@"<td>0\.500 \[0\.49\d, 0\.50\d\]</td>", page);
        Assert.Contains("<th>entropy</th>", page);
        Assert.Contains("<th>reference-perplexity</th>", page);
        Assert.Matches(@"<td>70\.00 \[(59|60)\.\d\d, (79|80)\.\d\d\]</td>", page);
        Assert.Contains("learner.ppo.kl-coefficient</td><td>0.1</td><td>0.5</td>", page);
        Assert.Contains("0.1.0", page);
        Assert.Contains("This film", page);
        Assert.Contains("trial-9: Failed", page);
        Assert.Contains("3 runs in 2 settings, 2 of them finished, 1 unfinished.", page);
        Assert.Contains("Figures and means are those of finished runs", page);
        Assert.DoesNotContain("Halving", page);
    }

    [Fact]
    public void The_charts_have_means_and_bands_over_seeds_and_the_frontier()
    {
        var page = Page();
        var data = Charts(page);
        var curve = data["curves"]!.AsArray().Single(curve => (string?)curve!["metric"] == "rollout/reward")!;
        var points = curve["series"]!.AsArray().Single(series => (string?)series!["label"] == "demo")!["points"]!.AsArray();
        Assert.Equal(3, points.Count);
        Assert.Equal(0.7, (double)points[2]![1]!, 1e-9);
        // Two values 0.2 apart: standard error 0.1, quantile of one degree 12.706.
        Assert.Equal(0.7 + 1.2706, (double)points[2]![3]!, 1e-9);
        Assert.Equal(2, (int)points[2]![4]!);
        Assert.Contains(data["curves"]!.AsArray(), other => (string?)other!["metric"] == "dfpo/mask_negative");
        Assert.Contains(data["curves"]!.AsArray(), other => (string?)other!["metric"] == "objective/kl");
        var frontier = data["frontier"]!
            .AsArray()
            .Single(family => ((string)family!["label"]!).EndsWith(", policy", StringComparison.Ordinal))!;
        Assert.Equal((33, 0.7), ((double)frontier["means"]![0]!["x"]!, Math.Round((double)frontier["means"]![0]!["y"]!, 9)));
        Assert.Equal(2, frontier["seeds"]!.AsArray().Count);
    }

    [Fact]
    public void Decodings_are_drawn_by_their_reward_and_true_kl_with_a_name_at_each_point()
    {
        var page = Page();
        var data = Charts(page)["divergence"]!.AsArray();
        Assert.Contains(data, family => ((string)family!["label"]!).EndsWith(", before", StringComparison.Ordinal));
        var masked = data.Single(family => (string?)family!["label"] == "my <run>, pi-")!["means"]!.AsArray();
        Assert.Equal(
            [(0.3, 0.7, "pi-, tau 0.2"), (0.9, 0.8, "pi-, tau 0")],
            masked.Select(point => ((double)point!["x"]!, (double)point["y"]!, (string)point["name"]!))
        );
        Assert.Contains("<td>my &lt;run&gt;</td><td>pi_theta</td><td>0.600 [0.550, 0.650]</td><td>31.00</td>", page);
        Assert.Contains("id=\"divergence\"", page);
        var file = _folder.Write("wrong.jsonl", "{\"reward\": 1}");
        Assert.Equal("report/decodings", DfpoAssert.CodeOf(() => MeasuredDecoding.Read(file).ToArray(), "line 1"));
        Assert.Equal("report/decodings", DfpoAssert.CodeOf(() => MeasuredDecoding.Read(file + "x").ToArray(), "does not exist"));
    }

    [Fact]
    public void A_stopped_run_is_told_with_its_reason_and_is_in_no_mean_of_the_finished_ones()
    {
        RunFolder[] trials =
        [
            .. new[] { 0.6, 0.8, 0.2 }.Select(
                (reward, i) => RunFolders.Make(_folder[$"trials/t{i}"], $"demo.s{i + 1}", (ulong)i + 1, reward, finished: i < 2)
            ),
        ];
        new TrialOutcome(TrialStatus.Stopped, "reward <too> low").Write(_folder["trials/t2"]);
        // What a trial that is finished all the same was once said of does not count.
        new TrialOutcome(TrialStatus.Failed, "no memory").Write(_folder["trials/t1"]);
        var page = ReportPage.Write("t", ReportRun.Read(trials.Select(trial => trial.Path), _ => { }), [], []);
        Assert.Contains("3 runs in 1 setting, 2 of them finished, 1 stopped by halving.", page);
        Assert.Contains("the mean of the others is better than the setting is", page);
        Assert.Matches("demo.s3-[-0-9]+: stopped, 3 of 3 iterations; reward &lt;too&gt; low", page);
        Assert.DoesNotContain("no memory", page);
        Assert.Matches(@"<td>demo</td><td>policy</td><td>2 of 3</td><td>0\.700 \[0\.5[89]\d, 0\.8[01]\d\]</td>", page);
        var series = Charts(page)["curves"]!
            .AsArray()
            .Single(curve => (string?)curve!["metric"] == "rollout/reward")!["series"]!.AsArray();
        Assert.Equal(["demo", "demo, stopped"], series.Select(one => (string?)one!["label"]));
        Assert.Equal([0.7, 0.2], series.Select(one => Math.Round((double)one!["points"]![2]![1]!, 9)));
    }

    [Fact]
    public void What_is_no_run_is_refused() =>
        Assert.Equal("report/input", DfpoAssert.CodeOf(() => ReportRun.Read([_folder.Path], _ => { }), _folder.Path));

    private static JsonNode Charts(string page) => JsonNode.Parse(Data().Match(page).Groups[1].Value)!["answers"]!["study"]!;

    private string Page()
    {
        string[] paths =
        [
            RunFolders.Make(_folder.Path, "demo.s1", 1, 0.6, continuation: Nasty).Path,
            RunFolders.Make(_folder.Path, "demo.s2", 2, 0.8).Path,
            RunFolders.Make(_folder.Path, "demo.s3", 3, 0.8, finished: false, coefficient: 0.5).Path,
        ];
        return ReportPage.Write(
            "A <b> title",
            ReportRun.Read(paths, _ => { }),
            ["trial-9: Failed"],
            [
                .. MeasuredDecoding.Read(
                    _folder.Write(
                        "decodings.jsonl",
                        """
                        {"source": "runs/my <run>/", "decoding": "pi_theta", "policy": "policy", "reward": 0.6, "kl": 0.1, "perplexity": 31, "intervals": {"reward": [0.55, 0.65]}}
                        {"source": "runs/my <run>/", "decoding": "pi-, tau 0.2", "policy": "negative", "reward": 0.7, "kl": 0.3, "perplexity": 32, "intervals": {}}
                        {"source": "runs/my <run>/", "decoding": "pi-, tau 0", "policy": "negative", "reward": 0.8, "kl": 0.9, "perplexity": 33}
                        """
                    )
                ),
            ]
        );
    }

    [GeneratedRegex(
        """(<link|<iframe|<img|<object|<embed|@import|<base|\burl\(|\ssrc\s*=\s*["']|<script[^>]*\ssrc)""",
        RegexOptions.IgnoreCase
    )]
    private static partial Regex Loading();

    [GeneratedRegex("<script[ >]")]
    private static partial Regex Opening();

    [GeneratedRegex("""<script type="application/json" id="data">(.*?)</script>""", RegexOptions.Singleline)]
    private static partial Regex Data();
}
