using DfPO.Actors.Configuration;
using DfPO.Actors.Experiments;
using DfPO.Host.Runs;
using DfPO.Models;
using DfPO.Models.Policies;

namespace DfPO.Host.Tests.Runs;

public sealed class ReplayPlanTests
{
    private static readonly ExperimentConfig s_config = new()
    {
        Iterations = 9,
        Rollout = new RolloutOptions { PromptsPerIteration = 4, UnitSize = 2 },
        Async = new AsyncOptions { MaxStaleness = 1 },
        Learner = new() { Dfpo = new() { Behaviour = DfPO.Learner.Objectives.DfpoBehaviour.Policy } },
    };

    [Fact]
    public void As_many_iterations_as_the_journal_has_are_repeated_with_the_learner_s_threads()
    {
        var plan = ReplayPlan.Of(s_config, [Line(1), Line(2)], "runs/x");
        Assert.Equal((2, 3), (plan.Config.Iterations, plan.Config.Model.LearnerThreads));
        Assert.Contains("all 2 iterations", plan.Compare("digest-of-final", "digest-of-final"));
        Assert.Contains("was cut off", plan.Compare("digest-of-final", null));
        Assert.Contains("still learnt by process 7", plan.Compare("digest-of-final", "of an earlier end", "process 7"));
        var error = Assert.Throws<DfpoException>(() => plan.Compare("digest-of-final", "other"));
        Assert.Equal("replay/differs", error.Code);
        Assert.Contains("iteration 2, the last, is the first with other weights", error.Message);
    }

    [Fact]
    public void A_journal_that_does_not_fit_the_configuration_is_told()
    {
        Refused("replay/journal", "Iteration 2", Line(1), Line(2) with { Units = [new TrainingUnit(2, 1, DecodingPolicy.Policy)] });
        Refused(
            "replay/journal",
            "Iteration 1",
            Line(1) with
            {
                Units = [new TrainingUnit(0, 0, DecodingPolicy.Positive), new TrainingUnit(1, 0, DecodingPolicy.Positive)],
            }
        );
        Refused(
            "replay/journal",
            "staleness up to 2",
            Line(1),
            Line(2),
            Line(3) with
            {
                Units = [new TrainingUnit(4, 0, DecodingPolicy.Policy), new TrainingUnit(5, 2, DecodingPolicy.Policy)],
            }
        );
    }

    [Fact]
    public void Several_numbers_of_threads_are_told() =>
        Refused("replay/threads", "3 torch threads up to iteration 1 and with 4", Line(1), Line(2) with { Threads = 4 });

    [Fact]
    public void A_run_without_updates_is_told() => Refused("replay/journal", "nothing to replay");

    private static void Refused(string code, string message, params JournalLine[] lines)
    {
        var error = Assert.Throws<DfpoException>(() => ReplayPlan.Of(s_config, lines, "runs/x"));
        Assert.Equal(code, error.Code);
        Assert.Contains(message, error.Message);
    }

    private static JournalLine Line(int iteration) =>
        new(
            iteration,
            "digest",
            3,
            [.. Enumerable.Range(2 * (iteration - 1), 2).Select(n => new TrainingUnit(n, iteration - 1, DecodingPolicy.Policy))]
        );
}
