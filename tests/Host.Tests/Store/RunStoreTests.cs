using DfPO.Host.Store;
using DfPO.Host.Studies;

namespace DfPO.Host.Tests.Store;

public sealed class RunStoreTests : IDisposable
{
    private readonly TestFolder _folder = new();
    private readonly List<string> _warnings = [];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Runs_are_found_with_their_configuration_figures_and_curves_also_below_a_study()
    {
        var run = RunFolders.Make(_folder.Path, "one", seed: 7, reward: 0.8);
        var trial = RunFolders.Make(_folder["study/trials/t1"], "two", finished: false);
        using var store = Open();
        Assert.Equal([run.Path, trial.Path], store.All().Select(found => found.Path));
        var (one, two) = (store.All()[0], store.All()[1]);
        Assert.Equal(("7", "ppo", "finished", 3, 3), (one.Seed, one.Objective, one.Status, one.Iterations, one.Planned));
        Assert.Equal("unfinished", two.Status);
        Assert.Equal("0.1", one.Config["learner.ppo.kl-coefficient"]);
        Assert.Equal((0.5, 0.8, 33.0), (one.Figures["before/reward"], one.Figures["policy/reward"], one.Final("perplexity")));
        Assert.Equal(0.8, one.Last["rollout/reward"], 12);
        Assert.Equal(0.0042, one.Last["objective/kl"]);
        var reward = RunRecord.Open(one.Path).Intervals()["policy/reward"];
        Assert.True(reward.Estimate == 0.8 && reward.Low < 0.8 && reward.High > 0.8);
        Assert.Empty(two.Figures);
        Assert.Empty(_warnings);
    }

    [Fact]
    public void A_trial_that_was_stopped_or_failed_says_so_and_why_until_it_goes_on()
    {
        RunFolders.Make(_folder["study/trials/t1"], "one", finished: false);
        using (var store = Open())
            Assert.Equal(("unfinished", ""), (Assert.Single(store.All()).Status, store.All()[0].Note));
        new TrialOutcome(TrialStatus.Stopped, "too low").Write(_folder["study/trials/t1"]);
        using (var store = Open())
            Assert.Equal(("stopped", "too low"), (Assert.Single(store.All()).Status, store.All()[0].Note));
        new TrialOutcome(TrialStatus.Failed, "no memory").Write(_folder["study/trials/t1"]);
        using (var store = Open())
            Assert.Equal(("failed", "no memory"), (Assert.Single(store.All()).Status, store.All()[0].Note));
        File.Delete(TrialOutcome.FileIn(_folder["study/trials/t1"]));
        using var last = Open();
        Assert.Equal("unfinished", Assert.Single(last.All()).Status);
    }

    [Theory]
    [InlineData("dfpo", "negative", 0.9)]
    [InlineData("dfpo", "policy", 0.7)]
    [InlineData("nlpo", "negative", 0.7)]
    public void The_final_figure_is_the_one_that_validation_chose_by(string objective, string decode, double reward)
    {
        var run = new IndexedRun(
            "r",
            "1",
            objective,
            "finished",
            "",
            3,
            3,
            new Dictionary<string, string> { ["learner.dfpo.decode"] = decode },
            new Dictionary<string, double> { ["policy/reward"] = 0.7, ["negative/reward"] = 0.9 },
            new Dictionary<string, double>()
        );
        Assert.Equal(reward, run.Final("reward"));
        Assert.Null(run.Final("kl"));
    }

    [Fact]
    public void What_changed_in_the_folders_changes_in_the_store()
    {
        var run = RunFolders.Make(_folder.Path, "one", finished: false);
        var gone = RunFolders.Make(_folder.Path, "gone");
        using (var store = Open())
            Assert.Equal(2, store.All().Count);
        Directory.Delete(gone.Path, recursive: true);
        File.AppendAllText(run.Metrics, "{\"type\":\"iteration\",\"iteration\":4,\"rollout/reward\":0.95}\n{\"type\":\"iter");
        using var again = Open();
        var one = Assert.Single(again.All());
        Assert.Equal((4, 0.95), (one.Iterations, one.Last["rollout/reward"]));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_store_can_be_lost_or_damaged_without_loss(bool damaged)
    {
        RunFolders.Make(_folder.Path, "one", reward: 0.8);
        using (var store = Open())
            Assert.Single(store.All());
        if (damaged)
            File.WriteAllText(_folder["runs.sqlite"], string.Concat(Enumerable.Repeat("no database ", 400)));
        else
            File.Delete(_folder["runs.sqlite"]);
        using var again = Open();
        Assert.Equal(0.8, Assert.Single(again.All()).Figures["policy/reward"]);
    }

    [Fact]
    public void A_damaged_run_is_told_and_the_others_are_there()
    {
        var bad = RunFolders.Make(_folder.Path, "bad");
        RunFolders.Make(_folder.Path, "good");
        File.WriteAllText(bad.Metrics, "broken\n" + File.ReadAllText(bad.Metrics));
        using var store = Open();
        Assert.StartsWith("good", Assert.Single(store.All()).Name);
        Assert.Contains("line 1", Assert.Single(_warnings));
    }

    [Fact]
    public void A_run_is_found_by_name_or_path_and_a_misspelt_one_is_told_the_nearest()
    {
        var run = RunFolders.Make(_folder.Path, "one");
        RunFolders.Make(_folder.Path, "another");
        using var store = Open();
        var name = Path.GetFileName(run.Path);
        Assert.Equal(run.Path, store.Find(name).Path);
        Assert.Equal(run.Path, store.Find(run.Path + "/").Path);
        Assert.Equal("runs/unknown", DfpoAssert.CodeOf(() => store.Find(name[..^1] + "x"), name));
        Assert.Equal("runs/missing", DfpoAssert.CodeOf(() => RunStore.Open(_folder["nowhere"], _warnings.Add), "--runs-dir"));
    }

    [Fact]
    public void A_comparison_has_the_keys_that_differ_and_all_figures()
    {
        RunFolders.Make(_folder.Path, "a", reward: 0.6, coefficient: 0.1);
        RunFolders.Make(_folder.Path, "b", reward: 0.8, coefficient: 0.5, finished: false);
        using var store = Open();
        var comparison = RunDifferences.Of(store.All());
        Assert.Equal(
            ["name", "learner.ppo.kl-coefficient"],
            comparison.Config.Select(row => row.Key).Order(StringComparer.Ordinal).Reverse()
        );
        Assert.Equal(["0.1", "0.5"], comparison.Config.Single(row => row.Key == "learner.ppo.kl-coefficient").Values);
        Assert.Equal([0.6, null], comparison.Figures.Single(row => row.Key == "policy/reward").Values);
        Assert.Equal(0.8, comparison.Last.Single(row => row.Key == "rollout/reward").Values[1]!.Value, 12);
    }

    private RunStore Open() => RunStore.Open(_folder.Path, _warnings.Add);
}
