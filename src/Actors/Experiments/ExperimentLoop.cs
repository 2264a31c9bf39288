using System.Diagnostics;
using DfPO.Actors.Configuration;
using DfPO.Actors.Evaluation;
using DfPO.Actors.Learning;
using DfPO.Actors.Work;
using DfPO.Learner.Configuration;
using DfPO.Learner.Objectives;
using DfPO.Models;
using DfPO.Models.Diagnostics;
using DfPO.Models.Policies;
using DfPO.Models.Tokenizers;
using DfPO.Tasks.Datasets;
using DfPO.Tasks.Metrics;
using DfPO.Tasks.Prompts;
using static DfPO.Actors.Learning.LearnerProtocol;

namespace DfPO.Actors.Experiments;

/// <summary>
/// An experiment from its first evaluation to its last, as one sequence of steps: roll out, reward, learn, publish; validate now and then;
/// test the best weights. In the asynchronous mode later iterations are rolled out beside all of this (<see cref="TrainingFeed"/>).
/// Everything slow is asked of <see cref="IExperimentServices"/>.
/// </summary>
public sealed class ExperimentLoop
{
    private readonly ExperimentConfig _config;
    private readonly IExperimentObserver _observer;
    private readonly RunCheckpoints _checkpoints;
    private readonly UnitPipeline _pipeline;
    private readonly IExperimentServices _services;
    private readonly RolloutPlan _plan;
    private readonly Evaluator _evaluator;
    private readonly ObjectiveTraits _traits;
    private readonly Func<int, string> _piece;
    private readonly GivenTexts? _given;
    private readonly PromptSet _train;
    private readonly PromptSet _validation;
    private readonly PromptSet _test;
    private readonly IReadOnlyList<JournalLine>? _replayed;
    private Published _learner = null!;

    /// <summary>Reads tokenizer and prompts.</summary>
    /// <param name="config">A validated experiment.</param>
    /// <param name="services">The cluster.</param>
    /// <param name="observer">Sees progress.</param>
    /// <param name="checkpoints">States of the run; the newest one, if any, is resumed.</param>
    public ExperimentLoop(ExperimentConfig config, IExperimentServices services, IExperimentObserver observer, RunCheckpoints checkpoints)
    {
        (_config, _services, _observer, _checkpoints) = (config, services, observer, checkpoints);
        var tokenizer = TextTokenizer.Load(config.Model.Policy);
        var model = PretrainedModels.ReadConfig(config.Model.Policy);
        tokenizer.CheckFits(model.VocabSize);
        _traits = ObjectiveRegistry.Traits(config.Learner);
        var texts = new TaskTexts(tokenizer, config, EndOfText.Of(config.Model.Policy, tokenizer), model.IsEncoderDecoder);
        (_plan, _evaluator) = (new RolloutPlan(config, texts), new Evaluator(config));
        _pipeline = new UnitPipeline(services, model.IsEncoderDecoder ? ids => tokenizer.Decode(ids) : tokenizer.DecodeContinuation);
        // A special token reads as nothing; what it is called is more to a reader.
        _piece = id => tokenizer.DecodeContinuation([id]) is { Length: > 0 } text ? text : tokenizer.TokenOf(id) ?? "";
        var pairs = _traits is { SamplesPerPrompt: 0, NeedsDemonstrations: false };
        _train = pairs ? new PromptSet([]) : Prompts(DatasetSplit.Train);
        _validation = Prompts(DatasetSplit.Validation);
        _test = Prompts(DatasetSplit.Test);
        if (_traits.NeedsDemonstrations)
            RequireReferences(_train, DatasetSplit.Train, "the objective learns from references");
        if (config.Evaluation.Metrics.Contains(EvaluationMetrics.ReferencePerplexity))
            foreach (var (prompts, split) in new[] { (_validation, DatasetSplit.Validation), (_test, DatasetSplit.Test) })
                RequireReferences(prompts, split, $"'evaluation.metrics' names '{EvaluationMetrics.ReferencePerplexity}'");
        if (_traits.SamplesPerPrompt == 0)
            _given = pairs
                ? GivenTexts.Pairs(config, Preference.Read(config.Task.Preferences), texts)
                : GivenTexts.Demonstrations(config, _train, texts);
        foreach (
            var (prompts, split, generation) in new[]
            {
                (_train, DatasetSplit.Train, config.Rollout.Generation),
                (_validation, DatasetSplit.Validation, config.Evaluated()),
                (_test, DatasetSplit.Test, config.Evaluated()),
            }
        )
            texts.RequireFits(prompts.Prompts, Source(split), generation.MaxNewTokens, model.MaxPositions);
        _replayed = checkpoints.Replayed.Exists ? checkpoints.Replayed.Read() : null;

        PromptSet Prompts(DatasetSplit split) => new(ChatPrompts.Render(TaskPrompts.Read(config.Task, split).Prompts, config.Model.Policy));

        void RequireReferences(PromptSet prompts, DatasetSplit split, string why) =>
            TaskTexts.RequireReferences(prompts.Prompts, Source(split), why);

        string Source(DatasetSplit split) => TaskPrompts.FileOf(config.Task, split) is { Length: > 0 } file ? file : config.Task.Data.Path;
    }

    private bool IsAsync => _config.Async.MaxStaleness > 0;

    /// <summary>Runs to the end.</summary>
    /// <exception cref="OperationCanceledException">Cancelled; the last finished iteration is saved.</exception>
    public async Task<ExperimentResult> Run(CancellationToken cancellation)
    {
        var state = _checkpoints.NewestSound();
        _learner = await _services.Learner(new Start(state is null ? null : _checkpoints.LearnerFolder(state.Iteration)), cancellation);
        _observer.Started(_config, _learner.Iteration);
        state ??= await Begin(cancellation);
        try
        {
            using var feed = new TrainingFeed(_pipeline, _plan, _train, Schedule());
            state = await Train(state, feed, cancellation);
        }
        catch (OperationCanceledException)
        {
            // The learner may be ahead of the last checkpoint; nothing of it is lost.
            if (_checkpoints.Newest()?.Iteration != _learner.Iteration)
                await Save(state with { Iteration = _learner.Iteration }, CancellationToken.None);
            throw;
        }
        return await Finish(state, cancellation);
    }

    private IUnitSchedule Schedule()
    {
        var done = _checkpoints.Journal.KeepUpTo(_learner.Iteration);
        if (_replayed is null)
            return new AsyncSchedule(UnitGrid.Of(_config), _config.Async.MaxStaleness, _config.Iterations)
            {
                Learnt = [.. done.SelectMany(line => line.Units).Select(unit => unit.Number)],
            };
        return done.Count == 0
            ? new ReplaySchedule(_replayed)
            : throw new DfpoException(
                "replay/resume",
                "A replay that was stopped cannot go on: weights of earlier versions, which later updates need, are gone. Start it anew with 'dfpo replay'."
            );
    }

    private async Task<ExperimentState> Begin(CancellationToken cancellation)
    {
        var before = await Evaluate("test", "test-before", _test, DecodingPolicy.Policy, 0, cancellation);
        // A policy under a mask is sampled where others search with beams, so its figures begin with its own: at the start it is pi_0 like
        // the others.
        var beams = (_config.Evaluation.Generation ?? _config.Rollout.Generation).NumBeams > 1;
        var validation = await Evaluate(
            "validation",
            "validation-0",
            _validation,
            beams ? _traits.Decode : DecodingPolicy.Policy,
            0,
            cancellation
        );
        await _services.Learner(new Export(_checkpoints.BestFolder(0)), cancellation);
        return await Save(new ExperimentState(0, 0, 0, validation.Metrics.Reward, before), cancellation);
    }

    private async Task<ExperimentState> Train(ExperimentState state, TrainingFeed feed, CancellationToken cancellation)
    {
        var clock = Stopwatch.StartNew();
        var first = _learner.Iteration;
        while (true)
        {
            var done = _learner.Iteration >= _config.Iterations;
            if (state.ValidatedIteration != _learner.Iteration && (done || _learner.Iteration % _config.Evaluation.Every == 0))
                state = await Save(await Validate(state, cancellation), cancellation);
            else if (state.Iteration != first && state.Iteration % _config.Checkpoint.Every == 0)
                state = await Save(state, cancellation);
            if (done)
                return state;
            var report = await Iterate(feed, cancellation);
            state = state with { Iteration = _learner.Iteration };
            var perIteration = clock.Elapsed / (_learner.Iteration - first);
            _observer.IterationFinished(
                report with
                {
                    Elapsed = clock.Elapsed,
                    Remaining = perIteration * (_config.Iterations - _learner.Iteration),
                }
            );
        }
    }

    private async Task<IterationReport> Iterate(TrainingFeed feed, CancellationToken cancellation)
    {
        Activity.Current = null;
        using var activity = DfpoTelemetry.Source.StartActivity(DfpoTelemetry.Spans.Iteration);
        activity?.SetTag(DfpoTelemetry.Tags.Iteration, _learner.Iteration + 1);
        var parent = activity?.Context ?? default;
        var clock = Stopwatch.StartNew();
        feed.Publish(_learner.Weights, parent);
        var (units, scored, dropped) = await feed.Take(cancellation);
        var waited = clock.Elapsed;
        var queues = await _services.Queues(cancellation);
        var batch = _given?.Batch(_learner.Iteration) ?? [.. scored.SelectMany(unit => unit.Trajectories())];
        Record(new JournalLine(_learner.Iteration + 1, _learner.Weights.Digest, _config.TorchThreadsOfLearner(), units));
        // Not cancellable: a half-made update has no state to resume from.
        var learnt = await _services.Learner(new Learn(batch, parent, [.. scored.SelectMany(unit => unit.Spans)]), CancellationToken.None);
        _learner = learnt;
        var learn = clock.Elapsed - waited;
        Tell(learn, batch.Sum(t => t.Tokens.Length));
        // Beside learning, generation has the whole iteration's time; where nothing is generated, learning is what takes time.
        var tokensPerSecond = batch.Sum(t => t.Tokens.Length) / (IsAsync || _given is not null ? clock.Elapsed : waited).TotalSeconds;
        var metrics = new Dictionary<string, double>(learnt.Report.Metrics)
        {
            ["tokens_per_second"] = tokensPerSecond,
            [IsAsync ? "time/wait_rollout" : "time/rollout"] = waited.TotalSeconds,
            ["time/learn"] = learn.TotalSeconds,
            ["guards/warnings"] = learnt.Report.Warnings.Count,
            // Since this process became the learner: results that came twice, and results of other weights than asked for. Neither is
            // learnt from.
            ["units/duplicates"] = queues.Sum(queue => queue.Duplicates),
            ["units/refused"] = queues.Sum(queue => queue.Refused),
        };
        if (IsAsync)
            Staleness(metrics, [.. batch.Select(t => _learner.Iteration - 1 - t.WeightsVersion!.Value)], dropped);
        foreach (var policy in _traits.Behaviours.Where(policy => policy != DecodingPolicy.Policy))
            metrics[$"rollout/reward_{policy.Name()}"] = batch.Where(t => t.Behaviour == policy).Average(t => t.Reward);
        return new IterationReport(
            _learner.Iteration,
            _config.Iterations,
            scored.Count > 0 ? Figures(scored) : null,
            metrics,
            tokensPerSecond,
            default,
            default
        )
        {
            Warnings = learnt.Report.Warnings,
            Samples = _config.Record.Rollouts ? TrainingSample.Of(scored, batch, learnt.Report.Tokens, _piece) : [],
        };
    }

    private void Tell(TimeSpan took, int tokens) =>
        _observer.Happened(
            new(ClusterRoles.Learner, ClusterRoles.Learner, WorkEventKind.Done)
            {
                Unit = $"iteration-{_learner.Iteration}",
                Version = _learner.Iteration,
                Took = took,
                Count = tokens,
            },
            TimeProvider.System.GetUtcNow()
        );

    /// <summary>Writes down what is about to be learnt; a replay that is no longer one ends here.</summary>
    private void Record(JournalLine line)
    {
        if (_replayed?[line.Iteration - 1] is { } expected && expected.Weights != line.Weights)
            throw new DfpoException(
                "replay/differs",
                line.Iteration == 1
                    ? $"The replay starts from other weights than the run did ({Short(line.Weights)} instead of {Short(expected.Weights)}): the policy's checkpoint is not the one that the run had."
                    : $"The replay differs from the run: iteration {line.Iteration - 1} is the first with other weights ({Short(line.Weights)} instead of {Short(expected.Weights)})."
            );
        _checkpoints.Journal.Append(line);
    }

    private static string Short(string digest) => digest[..Math.Min(digest.Length, 12)];

    /// <summary>
    /// How old the weights were that the batch was rolled out with: mean, largest, and how many continuations are of each age.
    /// </summary>
    private void Staleness(Dictionary<string, double> metrics, int[] ages, int dropped)
    {
        metrics["async/stale_dropped"] = dropped;
        metrics["async/staleness_mean"] = ages.Average();
        metrics["async/staleness_max"] = ages.Max();
        for (var age = 0; age <= _config.Async.MaxStaleness; age++)
            metrics[$"async/staleness_{age}"] = ages.Count(a => a == age);
    }

    /// <summary>The policies that evaluations decode with; that of model selection is always among them.</summary>
    private IEnumerable<DecodingPolicy> Evaluated => _config.Evaluation.Policies.Union([_traits.Decode]);

    /// <summary>Scores the weights on the validation prompts and keeps them when they are the best so far.</summary>
    private async Task<ExperimentState> Validate(ExperimentState state, CancellationToken cancellation)
    {
        double score = 0;
        foreach (var policy in Evaluated)
        {
            var report = await Evaluate("validation", $"validation-{state.Iteration}", _validation, policy, state.Iteration, cancellation);
            if (policy == _traits.Decode)
                score = report.Metrics.Reward;
        }
        state = state with { ValidatedIteration = state.Iteration };
        if (score <= state.BestScore)
            return state;
        await _services.Learner(new Export(_checkpoints.BestFolder(state.Iteration)), cancellation);
        return state with { BestIteration = state.Iteration, BestScore = score };
    }

    private async Task<ExperimentResult> Finish(ExperimentState state, CancellationToken cancellation)
    {
        var final = await _services.Learner(new Export(_checkpoints.FinalFolder), cancellation);
        _learner = await _services.Learner(new PublishExported(_checkpoints.BestFolder(state.BestIteration)), cancellation);
        var after = new List<EvaluationReport>();
        foreach (var policy in Evaluated)
            after.Add(
                await Evaluate(
                    "test",
                    "test-after",
                    _test,
                    policy,
                    state.BestIteration,
                    cancellation,
                    _checkpoints.BestFolder(state.BestIteration)
                )
            );
        var result = new ExperimentResult(state.BestIteration, state.Before, after, final.Digest);
        _observer.Finished(result);
        return result;
    }

    /// <param name="split">Name of the split.</param>
    /// <param name="name">Name of the units.</param>
    /// <param name="prompts">The split's prompts.</param>
    /// <param name="policy">What decodes.</param>
    /// <param name="iteration">Finished iterations of the weights.</param>
    /// <param name="cancellation">Of the run.</param>
    /// <param name="exported">Where the published weights are from, if they are not those being learnt.</param>
    private async Task<EvaluationReport> Evaluate(
        string split,
        string name,
        PromptSet prompts,
        DecodingPolicy policy,
        int iteration,
        CancellationToken cancellation,
        string? exported = null
    )
    {
        Activity.Current = null;
        using var activity = DfpoTelemetry.Source.StartActivity(DfpoTelemetry.Spans.Evaluation);
        activity?.SetTag(DfpoTelemetry.Tags.Split, split).SetTag(DfpoTelemetry.Tags.Iteration, iteration);
        var samplesPerPrompt =
            split == "test" && _config.Evaluation.TestSamplesPerPrompt > 0
                ? _config.Evaluation.TestSamplesPerPrompt
                : _config.Evaluation.SamplesPerPrompt;
        var published = new PublishedPolicy(_plan, _pipeline, _services, _learner.Weights, name, exported, activity?.Context ?? default);
        var decoding = _config.Evaluated().Under(policy, _traits.MaskPolicy);
        var figures = await _evaluator.Evaluate(published, prompts.Prompts, samplesPerPrompt, decoding, cancellation);
        var report = new EvaluationReport(split, policy, iteration, figures.Metrics, figures.Samples)
        {
            Intervals = figures.Intervals,
            Texts = figures.Texts,
        };
        _observer.Evaluated(report);
        return report;
    }

    private async Task<ExperimentState> Save(ExperimentState state, CancellationToken cancellation)
    {
        _checkpoints.SaveState(state);
        await _services.Learner(new Save(_checkpoints.LearnerFolder(state.Iteration)), cancellation);
        _checkpoints.Prune(state.BestIteration);
        return state;
    }

    private static GenerationMetrics Figures(IEnumerable<ScoredUnit> units) =>
        GenerationMetrics.Compute([.. units.SelectMany(unit => unit.Samples())]);
}
