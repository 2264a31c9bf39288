using System.Diagnostics;
using DfPO.Learner.Checkpoints;
using DfPO.Learner.Configuration;
using DfPO.Learner.Guards;
using DfPO.Learner.Objectives;
using DfPO.Learner.Optimisation;
using DfPO.Learner.Passes;
using DfPO.Models;
using DfPO.Models.Diagnostics;
using static TorchSharp.torch;

namespace DfPO.Learner.Updates;

/// <summary>
/// The learner: advantages, objective, optimiser step, checkpoint. One thread at a time; no actor and no file is needed to test it.
/// </summary>
public sealed class PolicyLearner : IDisposable
{
    private readonly TrainableModels _models;
    private readonly LearnerOptions _options;
    private readonly ulong _seed;
    private readonly string _incidents;
    private readonly IObjective _objective;
    private readonly AdamW _optimizer;
    private readonly PolicyPass _policy;
    private readonly MaskPolicy? _mask;
    private readonly LanguageModel? _reference;
    private readonly BatchScorer _scorer;
    private readonly MinibatchStep _step;
    private readonly GuardWatch _guards;
    private readonly ScheduledRate _rate;
    private readonly ParameterGroup[] _valueGroups;
    private bool _valueIsWarm;

    /// <summary>Prepares the optimiser.</summary>
    /// <param name="policy">Float32; trained in place; stays the caller's.</param>
    /// <param name="value">Float32; trained in place; stays the caller's. As many heads as the objective asks for; not touched, and may be
    /// null, when it asks for none.</param>
    /// <param name="options">Hyper-parameters.</param>
    /// <param name="seed">Seed of the minibatch order.</param>
    /// <param name="incidents">Folder that receives the offending batch when a guard trips; created when needed.</param>
    /// <param name="mask">Holds the mask policy when the objective's traits say that the learner does: a model of the policy's shape, whose
    /// weights are overwritten; stays the caller's.</param>
    /// <param name="reference"><c>pi_0</c> beside the policy, when the objective's traits ask for it, or older rollouts of masked policies
    /// come; never changed; stays the caller's.</param>
    /// <param name="endOfText">Tokens that end a text, which the mask never forbids; null takes those of the policy's
    /// configuration.</param>
    /// <exception cref="DfpoException"><c>learner/options</c> or <c>learner/model</c>.</exception>
    public PolicyLearner(
        LanguageModel policy,
        ValueModel? value,
        LearnerOptions options,
        ulong seed,
        string incidents,
        LanguageModel? mask = null,
        LanguageModel? reference = null,
        EndOfText? endOfText = null
    )
    {
        (_options, _seed, _incidents) = (options.Checked(), seed, incidents);
        _objective = ObjectiveRegistry.Create(options);
        if (options.Schedule != ScheduleKind.Constant && options.ScheduleSteps == 0)
            throw new DfpoException(
                "learner/options",
                "Learner option 'schedule-steps' must be the policy's optimiser steps in all: a learner by itself does not know how many iterations will come."
            );
        var traits = _objective.Traits;
        var maskTraits = traits.MaskPolicy is { HeldByLearner: true } held ? held : null;
        _models = new TrainableModels(policy, traits.NeedsValue ? value : null, maskTraits is null ? null : mask);
        _models.Require(traits);
        _reference = reference;
        if (traits.ReferenceInLearner && reference is null)
            throw new DfpoException(
                "learner/model",
                "The objective compares the policy with the reference model over the whole vocabulary: give the learner the reference."
            );
        if (traits.NeedsMismatched && reference is null)
            throw new DfpoException(
                "learner/model",
                "The objective compares policy and reference at other prompts' continuations: give the learner the reference."
            );
        if (maskTraits is not null)
        {
            _mask = new MaskPolicy(mask!, maskTraits, endOfText ?? EndOfText.Of(policy.Config.EosTokenIds));
            _mask.CopyFrom(policy);
        }
        var wholeBatch = traits.WholeBatch || _objective.TrustRegion is not null;
        var pieceSize =
            options.MicrobatchSize > 0 ? options.MicrobatchSize
            : wholeBatch ? options.MinibatchSize
            : int.MaxValue;
        _policy = new PolicyPass(policy, pieceSize, options.HeadChunkTokens, _mask, traits.ReferenceInLearner ? reference : null);
        var valuePass = _models.Value is null ? null : new ValuePass(_models.Value, _objective, pieceSize, _policy.Device);
        ParameterGroup[] policyGroups = _objective.TrustRegion is not null
            ? []
            : ParameterGroup.Split(policy.TrainedParameters(), "policy.", options.LearningRate, options.WeightDecay);
        _valueGroups = _models.Value is null
            ? []
            : ParameterGroup.Split(_models.Value.TrainedParameters(), "value.", ValueRate(warming: false), options.WeightDecay);
        _rate = new ScheduledRate(
            new(options.Schedule, options.LearningRate, options.WarmupSteps, options.ScheduleSteps, options.MinLearningRateRatio),
            policyGroups
        );
        _optimizer = new AdamW([.. policyGroups, .. _valueGroups], offload: options.OffloadOptimizer);
        foreach (var precision in Precisions().Prepend(policy.Precision))
            precision.RecomputeBlocks = options.RecomputeActivations;
        _scorer = new BatchScorer(_policy, valuePass, _objective, options, reference);
        _step = new MinibatchStep(
            _policy,
            valuePass,
            _objective,
            _optimizer,
            traits.NeedsMismatched
                ? new MismatchedPass(_policy, new PolicyPass(reference!, pieceSize, options.HeadChunkTokens, null))
                : null,
            options
        );
        _guards = new GuardWatch(options.Guards, options.MaxKl, incidents);
    }

    /// <summary>Updates done.</summary>
    public int Iteration { get; private set; }

    /// <summary>Updates that the mask policy's weights had seen; 0 for a rule without one.</summary>
    public int MaskIteration => _mask is null ? 0 : Iteration - (Iteration % _objective.Traits.MaskPolicy!.RefreshEvery);

    /// <summary>
    /// Learns from one iteration's trajectories: values and advantages once, then passes over minibatches of whole sequences.
    /// </summary>
    /// <remarks>
    /// After an exception or a cancellation the weights stand between two optimiser steps; only <see cref="Load"/> brings back a whole
    /// iteration.
    /// </remarks>
    /// <exception cref="DfpoException"><c>learner/batch</c>: the batch cannot be learnt from; <c>learner/not-finite</c> or another guard's
    /// code: it tripped, the message names the saved batch.</exception>
    /// <exception cref="OperationCanceledException">Between two minibatches.</exception>
    public LearnerReport Update(IReadOnlyList<Trajectory> batch, CancellationToken cancellation = default)
    {
        BatchCheck.RequireLearnable(batch, _options.MinibatchSize, _models.Policy.MaxPositions, _objective);
        var statistics = new Statistics();
        var kl = Measure(batch, statistics);
        using var precision = new MatmulPrecision(_options.Bf16 ? ScalarType.BFloat16 : null, [_models.Policy.Precision, .. Precisions()]);
        var policyLearns = !_objective.Traits.NeedsValue || _valueIsWarm || Iteration >= _options.ValueWarmupIterations;
        foreach (var group in _valueGroups)
            group.LearningRate = ValueRate(warming: !policyLearns);
        var bundles = Score(_objective.Bundles(batch), policyLearns, statistics, cancellation);
        if (policyLearns && _objective.TrustRegion is { } region)
            Guarded(
                () => new TrustRegionStep(_policy, region).Take(_objective, [.. bundles.SelectMany(bundle => bundle)], statistics),
                "policy step",
                batch
            );
        for (var epoch = 0; epoch < (_objective.Traits.Epochs ?? _options.Epochs); epoch++)
            Pass(bundles, epoch, withPolicy: policyLearns && _objective.TrustRegion is null, statistics, cancellation);
        foreach (var (name, value) in _objective.State)
            statistics.Add(name, value);
        _guards.Look(new GuardFigures { Entropy = statistics.Mean("objective/entropy") }, Iteration + 1, "update", batch);
        _valueIsWarm |= _options.ValueWarmupUntil > 0 && statistics.Mean("value/explained_variance") >= _options.ValueWarmupUntil;
        _objective.EndIteration(kl);
        Iteration++;
        if (MaskIteration == Iteration)
            _mask?.CopyFrom(_models.Policy);
        return new LearnerReport(statistics.Means()) { Warnings = _guards.TakeWarnings(), Tokens = Figures(batch, bundles) };
    }

    /// <summary>
    /// Writes everything that a resumed run needs to be bit-identical: models, optimiser, the objective's state, iteration. The folder
    /// appears whole or not at all.
    /// </summary>
    public void Save(string folder) =>
        LearnerCheckpoint.Save(
            folder,
            _models,
            _optimizer,
            new LearnerCheckpoint.Scalars(
                Iteration,
                LearnerFingerprint.Of(_options, _seed),
                _objective.State,
                _guards.Baseline,
                _rate.Steps,
                _valueIsWarm
            )
        );

    /// <summary>Restores what <see cref="Save"/> wrote.</summary>
    /// <exception cref="DfpoException"><c>learner/resume</c>: there is no checkpoint, or it was made with other options; or a checkpoint
    /// error.</exception>
    public void Load(string folder)
    {
        var scalars = LearnerCheckpoint.Load(folder, _models, _optimizer, LearnerFingerprint.Of(_options, _seed));
        Iteration = scalars.Iteration;
        _objective.Restore(scalars.Objective);
        _guards.Baseline = scalars.Guards ?? new GuardBaseline();
        (_rate.Steps, _valueIsWarm) = (scalars.PolicySteps, scalars.ValueIsWarm);
    }

    /// <inheritdoc/>
    public void Dispose() => _optimizer.Dispose();

    /// <summary>
    /// Figures of the rollouts, and their guards; returns the mean <c>log pi_theta - log pi_0</c> a token, 0 when nothing was rolled out.
    /// </summary>
    private double Measure(IReadOnlyList<Trajectory> batch, Statistics statistics)
    {
        if (batch.Any(t => !float.IsFinite(t.Reward)))
            throw Stop("a reward is not a finite number", "rollout", batch);
        if (batch.Any(t => t.Logprobs.Concat(t.ReferenceLogprobs).Concat(t.StateKl).Any(x => !float.IsFinite(x))))
            throw Stop("a log-probability or a KL is not a finite number", "rollout", batch);
        if (_objective.Traits.SamplesPerPrompt == 0)
            return 0;
        _guards.Look(GuardFigures.Of(batch), Iteration + 1, "rollout", batch);
        var kl = KlEstimators.K1(
            batch.SelectMany(t => t.Logprobs.Zip(t.ReferenceLogprobs, (policy, reference) => (double)policy - reference))
        );
        statistics.Add("objective/kl", kl);
        statistics.Add("objective/kl_full", batch.SelectMany(t => t.StateKl).Average(x => (double)x));
        statistics.Add("objective/rewards", batch.Average(t => t.Reward));
        return kl;
    }

    private ScoredTrajectory[][] Score(
        IReadOnlyList<Trajectory[]> bundles,
        bool policyLearns,
        Statistics statistics,
        CancellationToken cancellation
    )
    {
        using var activity = StartActivity(DfpoTelemetry.Spans.Advantages);
        var drawn = bundles.SelectMany(bundle => bundle).Where(t => !t.IsDemonstration).ToArray();
        var scored = new Queue<ScoredTrajectory>(_scorer.Score(drawn, Iteration, policyLearns, statistics, cancellation));
        var pushes = scored.SelectMany(s => s.Advantages).Where(a => a != 0).ToArray();
        if (pushes.Length > 0)
            statistics.Add("objective/advantages_positive", pushes.Count(a => a > 0), pushes.Length);
        return
        [
            .. bundles.Select(bundle =>
                bundle.Select(t => t.IsDemonstration ? ScoredTrajectory.Demonstration(t) : scored.Dequeue()).ToArray()
            ),
        ];
    }

    private static TokenFigures?[] Figures(IReadOnlyList<Trajectory> batch, ScoredTrajectory[][] bundles)
    {
        var scored = new Dictionary<Trajectory, TokenFigures>(ReferenceEqualityComparer.Instance);
        foreach (var one in bundles.SelectMany(bundle => bundle).Where(one => !one.Trajectory.IsDemonstration))
            scored[one.Trajectory] = new(one.Advantages, one.Masks);
        return [.. batch.Select(trajectory => scored.GetValueOrDefault(trajectory))];
    }

    private void Pass(ScoredTrajectory[][] bundles, int epoch, bool withPolicy, Statistics statistics, CancellationToken cancellation)
    {
        using var activity = StartActivity(DfpoTelemetry.Spans.Epoch);
        var size = _objective.Traits.WholeBatch
            ? bundles.Length
            : Math.Max(1, _options.MinibatchSize / _objective.Traits.SequencesPerBundle);
        var minibatches = Order(bundles.Length, epoch).Select(i => bundles[i]).Chunk(Math.Max(1, size)).ToArray();
        Trajectory[] all = [.. bundles.SelectMany(bundle => bundle).Select(s => s.Trajectory)];
        double Tokens(IEnumerable<Trajectory> of) => of.Sum(t => t.Tokens.Length) / (double)minibatches.Length;
        var stepTokens = new StepTokens(Tokens(all), Tokens(all.Where(t => !t.Truncated)));
        for (var m = 0; m < minibatches.Length; m++)
        {
            cancellation.ThrowIfCancellationRequested();
            if (withPolicy)
                statistics.Set("learner/lr", _rate.Next());
            ScoredTrajectory[] minibatch = [.. minibatches[m].SelectMany(bundle => bundle)];
            Guarded(
                () => _step.Take(minibatch, stepTokens, withPolicy, first: epoch == 0, statistics),
                $"epoch {epoch + 1} minibatch {m + 1}",
                [.. minibatch.Select(s => s.Trajectory)]
            );
        }
    }

    private void Guarded(Action step, string place, IReadOnlyList<Trajectory> batch)
    {
        try
        {
            step();
        }
        catch (NotFiniteNumberException e)
        {
            throw Stop(e.Message, place, batch);
        }
    }

    /// <summary>The order of the bundles in an epoch: a pure function of seed, iteration and epoch.</summary>
    private int[] Order(int count, int epoch) =>
        CounterRandom.Permutation(count, CounterRandom.UInt64(CounterRandom.UInt64(_seed, (ulong)Iteration), (ulong)epoch));

    private double ValueRate(bool warming) =>
        warming && _options.ValueWarmupLearningRate > 0 ? _options.ValueWarmupLearningRate
        : _options.ValueLearningRate > 0 ? _options.ValueLearningRate
        : _options.LearningRate;

    private IEnumerable<ComputePrecision> Precisions()
    {
        if (_models.Value is { } value)
            yield return value.Precision;
        if (_models.Mask is { } mask)
            yield return mask.Precision;
        if (_reference is not null)
            yield return _reference.Precision;
    }

    private DfpoException Stop(string reason, string place, IReadOnlyList<Trajectory> batch) =>
        new Incident("learner/not-finite", reason, Iteration + 1, place, batch).Record(_incidents);

    private Activity? StartActivity(string name) =>
        DfpoTelemetry.Source.StartActivity(name)?.SetTag(DfpoTelemetry.Tags.Iteration, Iteration + 1);
}
