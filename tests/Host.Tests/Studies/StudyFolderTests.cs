using DfPO.Host.Studies;

namespace DfPO.Host.Tests.Studies;

public sealed class StudyFolderTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_a_trial_has_come_to_is_read_off_its_folder()
    {
        var plan = Plan("waiting", "half", "finished", "stopped", "failed");
        var study = StudyFolder.Prepare(_folder["study"], plan, resume: false);
        RunFolders.Make(study.TrialFolder(plan.Trials[1]), finished: false);
        RunFolders.Make(study.TrialFolder(plan.Trials[2]));
        RunFolders.Make(study.TrialFolder(plan.Trials[3]), finished: false);
        study.Note(new(plan.Trials[3], TrialStatus.Stopped, "too low"));
        study.Note(new(plan.Trials[4], TrialStatus.Failed, "no memory"));
        var state = StudyFolder.Open(_folder["study"]).State();
        Assert.Equal(
            [TrialStatus.Waiting, TrialStatus.HalfDone, TrialStatus.Finished, TrialStatus.Stopped, TrialStatus.Failed],
            state.Trials.Select(trial => trial.Status)
        );
        Assert.Equal(["", "", "", "too low", "no memory"], state.Trials.Select(trial => trial.Note));
        study.Forget(plan.Trials[4]);
        Assert.Equal(TrialStatus.Waiting, study.State().Trials[4].Status);
    }

    [Fact]
    public void A_study_goes_on_only_when_asked_and_only_with_the_trials_that_it_began()
    {
        var plan = Plan("a", "b");
        var study = StudyFolder.Prepare(_folder["study"], plan, resume: false);
        RunFolders.Make(study.TrialFolder(plan.Trials[0]), finished: false);
        Assert.Equal("study/exists", DfpoAssert.CodeOf(() => StudyFolder.Prepare(_folder["study"], plan, resume: false), "--resume"));
        var changed = plan with { Trials = [plan.Trials[0] with { Settings = [new("iterations", "9")] }, plan.Trials[1]] };
        Assert.Equal("study/changed", DfpoAssert.CodeOf(() => StudyFolder.Prepare(_folder["study"], changed, resume: true), "'a'"));
        // A trial that has not begun may change, and others may come.
        var grown = Plan("a", "b", "c");
        grown = grown with { Trials = [grown.Trials[0], grown.Trials[1] with { Settings = [new("iterations", "9")] }, grown.Trials[2]] };
        Assert.Equal(3, StudyFolder.Prepare(_folder["study"], grown, resume: true).State().Trials.Count);
    }

    [Fact]
    public void A_folder_that_is_no_study_or_a_damaged_one_is_refused()
    {
        Assert.Equal("study/missing", DfpoAssert.CodeOf(() => StudyFolder.Open(_folder.Path)));
        _folder.Write("plan.json", "{");
        Assert.Equal("study/corrupt", DfpoAssert.CodeOf(() => StudyFolder.Open(_folder.Path), "plan.json"));
    }

    private static StudyPlan Plan(params string[] names) =>
        new(
            "demo",
            [.. names.Select(name => new Trial(name, "t", "a", "", 1, "t.conf", [new("iterations", "3")], false))],
            new Halving("rollout/reward", 2, 0.5, false)
        );
}
