using DfPO.Actors.Configuration;
using DfPO.Host.Studies;

namespace DfPO.Host.Tests.Studies;

public sealed class StudyStateTests
{
    [Fact]
    public void As_many_start_as_may_run_side_by_side_and_half_done_ones_come_first()
    {
        var state = new StudyState([
            Of("a", TrialStatus.Finished),
            Of("b"),
            Of("c"),
            Of("d", TrialStatus.HalfDone),
            Of("e", TrialStatus.Stopped),
            Of("f", TrialStatus.Failed),
        ]);
        Assert.Equal(["d", "b"], Names(state.Next(new HashSet<string>(), 2)));
        Assert.Equal(["b"], Names(state.Next(new HashSet<string> { "d" }, 2)));
        Assert.Empty(state.Next(new HashSet<string> { "d", "b" }, 2));
        Assert.Equal(["d", "b", "c"], Names(state.Next(new HashSet<string>(), 9)));
    }

    [Fact]
    public void A_trial_that_wants_the_machine_alone_waits_for_it_and_is_not_overtaken()
    {
        var state = new StudyState([Of("a"), Of("big", alone: true), Of("b")]);
        Assert.Equal(["a"], Names(state.Next(new HashSet<string>(), 3)));
        Assert.Empty(state.Next(new HashSet<string> { "a" }, 3));
        var later = state.With(Of("a", TrialStatus.Finished));
        Assert.Equal(["big"], Names(later.Next(new HashSet<string>(), 3)));
        Assert.Empty(later.Next(new HashSet<string> { "big" }, 3));
    }

    [Fact]
    public void A_resumed_study_tries_failed_trials_again_and_leaves_stopped_ones()
    {
        var state = new StudyState([Of("a", TrialStatus.Failed), Of("b", TrialStatus.Stopped), Of("c", TrialStatus.Finished)]).Retried();
        Assert.Equal(["a"], Names(state.Next(new HashSet<string>(), 5)));
        Assert.Equal("3 trials: 1 finished, 1 stopped by halving, 0 failed, 1 half-done, 0 waiting.", state.Summary());
    }

    [Fact]
    public void Rungs_shrink_by_the_share_that_is_kept()
    {
        Assert.Equal([4, 8, 16], new Halving("m", 3, 0.5, false).Rungs(32));
        Assert.Equal([1, 2], new Halving("m", 9, 0.5, false).Rungs(4));
    }

    [Theory]
    [InlineData(0.1, new double[0], false)]
    [InlineData(0.1, new[] { 0.2 }, true)]
    [InlineData(0.2, new[] { 0.2 }, false)]
    [InlineData(0.3, new[] { 0.1, 0.4, 0.2 }, false)]
    [InlineData(0.15, new[] { 0.1, 0.4, 0.2 }, true)]
    [InlineData(double.NaN, new[] { 0.1 }, true)]
    public void The_better_half_of_those_at_a_rung_goes_on(double own, double[] others, bool stops) =>
        Assert.Equal(stops, new Halving("m", 1, 0.5, false).Stops(own, others));

    [Fact]
    public void A_figure_to_be_minimised_is_better_when_lower()
    {
        Assert.True(new Halving("m", 1, 0.5, true).Stops(2, [1]));
        Assert.False(new Halving("m", 1, 0.5, true).Stops(1, [2]));
    }

    [Fact]
    public void A_figure_counts_once_the_run_is_beyond_the_rung()
    {
        string[] lines =
        [
            """{"type":"iteration","iteration":1,"m":1}""",
            """{"type":"iteration","iteration":2,"m":2}""",
            """{"type":"evaluation","iteration":2,"n":5}""",
            """{"type":"iteration","iteration":3,"m":3}""",
            """{"type":"it""",
        ];
        Assert.Equal(2, RungFigures.At(lines, "m", 2, ended: false));
        Assert.Equal(5, RungFigures.At(lines, "n", 2, ended: false));
        Assert.Null(RungFigures.At(lines, "m", 3, ended: false));
        Assert.Equal(3, RungFigures.At(lines, "m", 3, ended: true));
        Assert.Equal(double.NaN, RungFigures.At(lines, "absent", 2, ended: false));
    }

    [Fact]
    public void Threads_are_divided_unless_the_trial_is_alone_or_says_how_many_it_wants()
    {
        var config = new ExperimentConfig
        {
            Rollout = new() { Threads = 4 },
            Model = new() { LearnerThreads = 4 },
        };
        string[] Arguments(TrialState state, int share) => StudyRunner.Arguments(state.Trial, "runs", config, share);
        Assert.Contains("rollout.threads=2", Arguments(Of("a"), 2));
        Assert.Contains("model.learner-threads=2", Arguments(Of("a"), 2));
        Assert.DoesNotContain(Arguments(Of("a"), 4), argument => argument.Contains("threads"));
        Assert.DoesNotContain(Arguments(Of("a", alone: true), 2), argument => argument.Contains("threads"));
        var own = Of("a") with { Trial = Of("a").Trial with { Settings = [new("rollout.threads", "3")] } };
        Assert.DoesNotContain("rollout.threads=2", Arguments(own, 2));
    }

    private static TrialState Of(string name, TrialStatus status = TrialStatus.Waiting, bool alone = false) =>
        new(new Trial(name, "t", "a", "", 1, "t.conf", [], alone), status);

    private static IEnumerable<string> Names(IEnumerable<TrialState> states) => states.Select(state => state.Trial.Name);
}
