using DfPO.Host.Reporting;
using DfPO.Models.Policies;
using DfPO.Tasks.Metrics;

namespace DfPO.Host.Tests.Reporting;

public sealed class BudgetStandingTests
{
    [Fact]
    public void A_run_stands_at_its_budget_from_the_iteration_that_first_came_near_it()
    {
        var after = Reports.Evaluation("test", DecodingPolicy.Policy, 6) with
        {
            Intervals = new Dictionary<string, Interval> { ["kl"] = new(0.19, 0.18, 0.2) },
        };
        var standing = BudgetStanding.Of(0.2, after, [(1, 0), (2, 0.1), (3, 0.179), (4, 0.185), (5, 0.21), (6, 0.16)]);
        Assert.Equal((4, 3), (standing.Since, standing.Iterations));
        Assert.Equal((0.185, 0.21), (Math.Round(standing.Mean, 12), standing.Most));
        Assert.Equal(
            "KL budget 0.200 nats a token: 0.190 [0.180, 0.200] on held-out prompts; the rollouts came within a tenth of it in iteration 4 and have stood there for 3 iterations, at 0.185 on average and 0.210 at most.",
            standing.Sentence
        );
    }

    [Fact]
    public void A_run_that_has_not_come_so_far_says_where_it_is()
    {
        var standing = BudgetStanding.Of(0.2, Reports.Evaluation("test", DecodingPolicy.Policy, 2), [(1, 0), (2, 0.1)]);
        Assert.Null(standing.Since);
        Assert.EndsWith(
            "no rollouts have come within a tenth of it yet, the last ones had 0.100.",
            standing.Sentence,
            StringComparison.Ordinal
        );
    }
}
