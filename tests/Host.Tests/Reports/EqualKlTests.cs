using System.Text.Json.Nodes;
using System.Xml.Linq;
using DfPO.Host.Reports;
using DfPO.Host.Store;

namespace DfPO.Host.Tests.Reporting;

public sealed class EqualKlTests
{
    private static readonly XNamespace s_svg = "http://www.w3.org/2000/svg";

    [Fact]
    public void A_setting_is_compared_with_what_the_rival_of_its_seed_had_where_it_came_to_the_same_kl()
    {
        ReportRun[] runs =
        [
            // Rewards .5, .7, .9 at KLs 0, .1, .3; the other seed's are .1 lower.
            Run("grpo", 1, [(0, 0, 0.5), (5, 0.1, 0.7), (10, 0.3, 0.9)]),
            Run("grpo", 2, [(0, 0, 0.4), (5, 0.1, 0.6), (10, 0.3, 0.8)]),
            Run("budget", 1, [(0, 0, 0.5), (10, 0.2, 0.85)]),
            Run("budget", 2, [(0, 0, 0.4), (10, 0.05, 0.6)]),
            Run("budget", 3, [(0, 0, 0.5), (10, 0.2, 0.9)]),
            Run("far", 1, [(0, 0, 0.5), (10, 0.4, 1)]),
        ];
        var rows = EqualKl.Of(runs, "grpo");
        var budget = rows.Single(row => row is { Group: "budget", Policy: "policy" });
        // Seed 1: .8 of the rival at .2. Seed 2: .5 at .05. Seed 3 has no rival.
        Assert.Equal([0.05, 0.1], budget.Differences.Select(d => Math.Round(d, 12)));
        Assert.Equal((0.075, 3), (Math.Round(budget.Difference.Estimate, 12), budget.Ends.Count));
        Assert.Equal(0.15, budget.Ends.Average(end => end.Kl), 1e-12);
        // Two pairs of one sign have .5, and two rows were tested.
        Assert.Equal(1, budget.PValue);
        Assert.Equal(0, budget.PerplexityChange.Estimate, 1e-12);
        // Nobody of the rival's got there.
        var far = rows.Single(row => row is { Group: "far", Policy: "policy" });
        Assert.Empty(far.Differences);
        Assert.Equal(["1", "0"], [far.Cells()[2], far.Cells()[7]]);
        Assert.Empty(rows.Single(row => row is { Group: "grpo", Policy: "policy" }).Differences);
        Assert.All(rows, row => Assert.Equal(EqualKl.Columns.Count, row.Cells().Count));
        // pi- of everyone is the same points with a reward .05 higher.
        Assert.Equal(0.1, rows.Single(row => row is { Group: "budget", Policy: "negative" }).Differences[0], 1e-12);
        Assert.Equal("report/input", DfpoAssert.CodeOf(() => EqualKl.Of(runs, "ppo"), "'budget', 'far'"));
    }

    [Fact]
    public void The_picture_has_a_line_a_setting_with_a_point_a_validation()
    {
        var svg = XDocument
            .Parse(
                RewardKlChart.Svg(
                    "A <title>",
                    [
                        Run("task grpo & co", 1, [(0, 0, 0.5), (5, 0.1, 0.7), (10, 0.3, 0.9)]),
                        Run("task b", 1, [(0, 0, 0.5), (10, 0.2, 0.85)]),
                    ],
                    "policy",
                    "negative"
                )
            )
            .Root!;
        Assert.Equal("A <title>", svg.Element(s_svg + "title")!.Value);
        var lines = svg.Elements(s_svg + "polyline").Select(line => ((string)line.Attribute("points")!).Split(' ').Length).ToArray();
        Assert.Equal([3, 3, 2, 2], lines);
        Assert.Equal(10, svg.Elements(s_svg + "circle").Count());
        Assert.Contains(svg.Elements(s_svg + "text"), text => text.Value == "grpo & co, pi-");
        var points = ((string)svg.Elements(s_svg + "polyline").First().Attribute("points")!)
            .Split(' ')
            .Select(p => double.Parse(p.Split(',')[0], System.Globalization.CultureInfo.InvariantCulture))
            .ToArray();
        // The axis ends at .3: the last point is at its right end, a third of the way lies before the second.
        Assert.Equal((points[2] - points[0]) / 3, points[1] - points[0], 1e-2);
    }

    private static ReportRun Run(string group, int seed, (int Iteration, double Kl, double Reward)[] curve)
    {
        JsonObject Line((int Iteration, double Kl, double Reward) at, string policy, double more) =>
            new()
            {
                ["type"] = "evaluation",
                ["iteration"] = at.Iteration,
                [$"eval/validation/{policy}/kl"] = at.Kl,
                [$"eval/validation/{policy}/reward"] = at.Reward + more,
                [$"eval/validation/{policy}/perplexity"] = 50.0,
                [$"eval/validation/{policy}/entropy"] = 4.0,
            };
        JsonObject[] lines =
        [
            .. curve.SelectMany(at =>
                at.Iteration == 0 ? [Line(at, "policy", 0)] : new[] { Line(at, "policy", 0), Line(at, "negative", 0.05) }
            ),
        ];
        return new(
            group,
            group,
            new RunRecord("/runs/" + group + seed, new Dictionary<string, string> { ["seed"] = $"{seed}" }, [], [], lines, null)
        );
    }
}
