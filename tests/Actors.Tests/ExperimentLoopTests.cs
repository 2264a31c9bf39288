using DfPO.Actors.Configuration;
using DfPO.Actors.Evaluation;
using DfPO.Actors.Experiments;
using DfPO.Actors.Work;
using DfPO.Learner.Objectives;
using DfPO.Models;
using DfPO.Models.Policies;

namespace DfPO.Actors.Tests;

/// <summary>The loop against services that only remember: what it asks, in which order, and what it makes of the answers.</summary>
public sealed class ExperimentLoopTests : LoopTests
{
    [Theory]
    [InlineData(DecodingPolicy.Policy, new[] { DecodingPolicy.Policy })]
    [InlineData(DecodingPolicy.Negative, new[] { DecodingPolicy.Policy, DecodingPolicy.Negative })]
    public async Task Only_the_decoding_policies_asked_for_are_evaluated_and_always_the_one_that_selects(
        DecodingPolicy selects,
        DecodingPolicy[] expected
    )
    {
        var config = Config();
        var result = await Loop(
                config with
                {
                    Learner = config.Learner with { Dfpo = config.Learner.Dfpo with { Decode = selects } },
                    Evaluation = config.Evaluation with { Policies = [DecodingPolicy.Policy] },
                }
            )
            .Run(default);
        Assert.Equal(expected, result.After.Select(a => a.Policy));
    }

    [Fact]
    public async Task An_experiment_tests_trains_validates_and_tests_again()
    {
        var result = await Loop(Config()).Run(default);
        Assert.Equal(
            ["test-before", "validation-0", "train-1", "train-2", "validation-2", "train-3", "train-4", "validation-4", "test-after"],
            Services.Rounds()
        );
        Assert.Equal([1, 2, 3, 4], Observer.Iterations.Select(i => i.Iteration));
        Assert.Equal(4, Services.Batches.Count);
        Assert.All(Services.Batches, batch => Assert.Equal(4, batch.Count));
        Assert.Equal([DecodingPolicy.Policy, DecodingPolicy.Negative], result.After.Select(a => a.Policy));
        Assert.Same(result, Observer.Result);
    }

    [Fact]
    public async Task The_best_validated_weights_are_tested_at_the_end()
    {
        Services.RewardOfVersion = version => version == 2 ? 0.9f : 0.1f * version / 10;
        var result = await Loop(Config()).Run(default);
        Assert.Equal(2, result.BestIteration);
        Assert.EndsWith("iteration-00002", Services.ExportedFolder);
    }

    [Fact]
    public async Task When_nothing_beats_the_initial_weights_they_are_the_best()
    {
        Services.RewardOfVersion = version => 1f / (1 + version);
        Assert.Equal(0, (await Loop(Config()).Run(default)).BestIteration);
    }

    [Fact]
    public async Task Training_and_decoding_have_tolerances_of_their_own_and_the_test_its_own_number_of_samples()
    {
        var config = Config();
        config = config with
        {
            Learner = config.Learner with { Dfpo = config.Learner.Dfpo with { Behaviour = DfpoBehaviour.Masked, Tolerance = 0.25f } },
            Evaluation = config.Evaluation with
            {
                SamplesPerPrompt = 1,
                TestSamplesPerPrompt = 3,
                Decoding = new DecodingOptions { Tolerance = 0.75f, MaskRule = KlMaskRule.KlCentred },
            },
        };
        await Loop(config).Run(default);
        var units = Services.Units.OfType<RolloutUnit>().ToLookup(unit => unit.Id.Value.Split('-')[0]);
        Assert.All(units["train"], unit => Assert.Equal((KlMaskRule.Sign, 0.25f), (unit.Options.MaskRule, unit.Options.Tolerance)));
        Assert.All(units["validation"].Concat(units["test"]), unit =>
            Assert.Equal((KlMaskRule.KlCentred, 0.75f), (unit.Options.MaskRule, unit.Options.Tolerance))
        );
        // Two test prompts three times, before and after under two policies; three validation prompts once.
        Assert.Equal(3 * 2 * 3, units["test"].Sum(unit => unit.Requests.Count));
        Assert.All(Observer.Evaluations.Where(report => report.Split == "validation"), report => Assert.Equal(3, report.Samples.Count));
        Services.Reset();
    }

    [Fact]
    public async Task The_perplexity_of_references_is_asked_of_the_weights_that_are_evaluated()
    {
        WithReferences("validation", "test");
        Services.RewardOfVersion = version => version == 2 ? 0.9f : 0.1f;
        var config = Config();
        await Loop(config with { Evaluation = config.Evaluation with { Metrics = [EvaluationMetrics.ReferencePerplexity] } }).Run(default);
        Assert.Equal(
            [(2, null), (3, null), (3, null), (3, null), (2, "iteration-00002")],
            Services.Measurements.Select(m => (m.Prompts, Path.GetFileName(m.Folder)))
        );
        Assert.All(Observer.Evaluations, report =>
            Assert.Equal(report.Policy == DecodingPolicy.Policy, report.Texts.ContainsKey(EvaluationMetrics.ReferencePerplexity))
        );
        Assert.Equal(40, Observer.Result!.Before.Texts[EvaluationMetrics.ReferencePerplexity]);
    }

    [Theory]
    [InlineData("validation", "test-0")]
    [InlineData("test", "validation-0")]
    public void Prompts_without_references_have_no_such_perplexity(string has, string lacks)
    {
        WithReferences(has);
        var config = Config();
        var error = Assert.Throws<DfpoException>(() =>
            Loop(config with { Evaluation = config.Evaluation with { Metrics = [EvaluationMetrics.ReferencePerplexity] } })
        );
        Assert.Equal("prompts/references", error.Code);
        Assert.Contains(lacks, error.Message);
        Assert.Contains("reference-perplexity", error.Message);
    }

    [Fact]
    public async Task The_continuations_that_were_learnt_from_are_told_with_their_units_and_spans_unless_nobody_wants_them()
    {
        await Loop(Config()).Run(default);
        foreach (var (report, batch) in Observer.Iterations.Zip(Services.Batches))
        {
            Assert.Equal(batch, report.Samples.Select(sample => sample.Trajectory));
            Assert.All(report.Samples, sample => Assert.Equal(Services.Spans[sample.Unit], sample.Span));
            Assert.All(report.Samples, sample => Assert.StartsWith($"train-{report.Iteration}/", sample.Unit));
        }
        var first = Observer.Iterations[0].Samples[0];
        Assert.Equal(first.Continuation, string.Concat(first.Trajectory.Tokens.Select(first.Piece)));
        var config = Config();
        Observer.Iterations.Clear();
        Directory.Delete(Path.Combine(Root, "run"), recursive: true);
        Services.Reset();
        await Loop(config with { Record = new RecordOptions { Rollouts = false } }).Run(default);
        Assert.All(Observer.Iterations, report => Assert.Empty(report.Samples));
    }

    [Fact]
    public async Task What_the_queues_turned_away_is_in_the_metrics()
    {
        Services.Queue = new WorkProtocol.QueueStatus(1, 0, 0, Duplicates: 2, Refused: 1);
        await Loop(Config()).Run(default);
        Assert.All(Observer.Iterations, report =>
            Assert.Equal((4, 2), (report.Metrics["units/duplicates"], report.Metrics["units/refused"]))
        );
    }

    [Fact]
    public async Task Where_beams_evaluate_the_initial_weights_are_validated_as_the_later_ones_that_they_are_compared_with()
    {
        DecodingPolicy Beginning() =>
            Services
                .Units.OfType<RolloutUnit>()
                .Where(unit => unit.Id.Value.StartsWith("validation-0"))
                .Select(unit => unit.Options.Policy)
                .Distinct()
                .Single();
        await Loop(Config()).Run(default);
        Assert.Equal(DecodingPolicy.Policy, Beginning());
        Directory.Delete(Path.Combine(Root, "run"), recursive: true);
        Services.Reset();
        var config = Config();
        await Loop(config with { Evaluation = config.Evaluation with { Generation = config.Rollout.Generation with { NumBeams = 2 } } })
            .Run(default);
        Assert.Equal(DecodingPolicy.Negative, Beginning());
    }

    [Fact]
    public async Task Masked_behaviour_rolls_every_prompt_out_under_both_masks()
    {
        var config = Config();
        await Loop(config with { Learner = config.Learner with { Dfpo = new DfpoOptions { Behaviour = DfpoBehaviour.Masked } } })
            .Run(default);
        Assert.All(Services.Batches, batch =>
            Assert.Equal([DecodingPolicy.Negative, DecodingPolicy.Positive], batch.Select(t => t.Behaviour).Distinct().OrderDescending())
        );
        Assert.All(Services.Batches, batch => Assert.Equal(8, batch.Count));
    }

    [Fact]
    public async Task A_cancelled_run_saves_the_last_finished_iteration_and_resumes_with_the_same_units()
    {
        await Loop(Config()).Run(default);
        var whole = Services.Units.Where(unit => unit.Id.Value.StartsWith("train")).Select(Describe).ToArray();
        Directory.Delete(Path.Combine(Root, "run"), recursive: true);

        Services.Reset();
        using var stop = new CancellationTokenSource();
        Services.BeforeUnit = unit =>
        {
            if (unit.Id.Value.StartsWith("train-4"))
                stop.Cancel();
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Loop(Config()).Run(stop.Token));
        Assert.Equal(3, new RunCheckpoints(Path.Combine(Root, "run")).Newest()!.Iteration);
        var first = Services.Units.Where(unit => unit.Id.Value.StartsWith("train")).Select(Describe).Take(6).ToArray();

        Services.Reset();
        await Loop(Config()).Run(default);
        var rest = Services.Units.Where(unit => unit.Id.Value.StartsWith("train")).Select(Describe).ToArray();
        Assert.Equal(whole, first.Concat(rest));
        Assert.DoesNotContain("test-before", Services.Rounds());
    }

    [Fact]
    public async Task A_run_stopped_in_the_middle_of_a_validation_makes_up_for_it_when_it_resumes()
    {
        using var stop = new CancellationTokenSource();
        Services.BeforeUnit = unit =>
        {
            if (unit.Id.Value.StartsWith("validation-4"))
                stop.Cancel();
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Loop(Config()).Run(stop.Token));
        Assert.Equal(4, new RunCheckpoints(Path.Combine(Root, "run")).Newest()!.Iteration);
        Services.Reset();
        var result = await Loop(Config()).Run(default);
        Assert.Equal(["validation-4", "test-after"], Services.Rounds());
        Assert.Equal(4, result.BestIteration);
    }

    [Fact]
    public async Task A_unit_that_is_given_up_ends_the_run_with_its_reason()
    {
        Services.BeforeUnit = unit => throw new DfpoException("run/unit-abandoned", $"{unit.Id} is poisoned");
        Assert.Equal("run/unit-abandoned", (await Assert.ThrowsAsync<DfpoException>(() => Loop(Config()).Run(default))).Code);
    }

    [Fact]
    public async Task Evaluations_use_the_same_seeds_whatever_the_weights_and_policy()
    {
        await Loop(Config()).Run(default);
        var seeds = Services
            .Units.OfType<RolloutUnit>()
            .Where(unit => unit.Id.Value.StartsWith("validation"))
            .GroupBy(unit => unit.Id.Value[^1])
            .Select(group => group.Select(unit => string.Join(',', unit.Requests.Select(r => r.Seed))).Distinct().Count());
        Assert.All(seeds, count => Assert.Equal(1, count));
    }

    [Fact]
    public async Task Old_states_are_pruned_but_the_best_weights_stay()
    {
        Services.RewardOfVersion = version => version == 2 ? 0.9f : 0.1f;
        await Loop(Config() with { Iterations = 8 }).Run(default);
        Assert.Equal(2, Directory.GetFiles(Path.Combine(Root, "run", "checkpoints"), "*.json").Length);
        Assert.True(Directory.Exists(Path.Combine(Root, "run", "best", "iteration-00002")));
    }

    private static string Describe(WorkUnit unit) =>
        unit is RolloutUnit rollout
            ? $"{rollout.Id.Value.Split('/')[0]} {rollout.Weights.Version} {string.Join(' ', rollout.Requests.Select(r => $"{r.Seed}:{string.Join(',', r.PromptTokens)}"))}"
            : unit.Id.Value;
}
