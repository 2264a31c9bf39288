using DfPO.Host.Reporting;
using DfPO.Tasks.Metrics;

namespace DfPO.Host.Tests.Reporting;

public sealed class RunComparisonTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private string Run(string name, double reward, ulong seed = 1) => RunFolders.Make(_folder.Path, name, seed, reward).Path;

    private static Interval Difference(IReadOnlyList<RunComparison.Row> rows, string figure) =>
        rows.Single(row => row.Figure == figure).Values.Difference;

    [Fact]
    public void Reward_perplexity_entropy_and_kl_are_compared_in_pairs_of_prompts()
    {
        var rows = RunComparison.Of([Run("a", 0.6)], [Run("b", 0.7)]);
        Assert.Equal(
            ["reward", "perplexity", "entropy", "KL", "distinct-1", "distinct-2", "length", "words", "repetition-4"],
            rows.Select(row => row.Figure)
        );
        Assert.All(rows, row => Assert.Equal(("pi_theta", 21), (row.Policy, row.Values.Prompts)));
        Assert.Equal(0.1, Difference(rows, "reward").Estimate, 1e-9);
        Assert.True(Difference(rows, "reward").ExcludesZero);
        Assert.False(Difference(rows, "perplexity").ExcludesZero);
        Assert.Equal(21, (int)rows[0].ToJson()["prompts"]!);
    }

    [Fact]
    public void Where_a_side_has_several_seeds_their_chance_counts()
    {
        string[] a = [Run("a1", 0.4), Run("a2", 0.6, 2), Run("a3", 0.8, 3)];
        var b = Run("b", 0.7);
        Assert.True(Difference(RunComparison.Of([a[1]], [b]), "reward").ExcludesZero);
        var several = Difference(RunComparison.Of(a, [b]), "reward");
        Assert.Equal(0.1, several.Estimate, 1e-9);
        Assert.False(several.ExcludesZero);
    }

    [Fact]
    public void A_run_that_goes_on_is_refused() =>
        Assert.Equal(
            "compare/samples",
            DfpoAssert.CodeOf(
                () => RunComparison.Of([RunFolders.Make(_folder.Path, "c", finished: false).Path], [Run("d", 0.7)]),
                "only a finished run"
            )
        );
}
