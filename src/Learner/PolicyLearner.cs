using System.Diagnostics;
using System.Text.Json;
using DfPO.Learner.Advantages;
using DfPO.Learner.Checkpoints;
using DfPO.Learner.Guards;
using DfPO.Learner.Objectives;
using DfPO.Learner.Optimisation;
using DfPO.Learner.Passes;
using DfPO.Models;
using DfPO.Models.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner;

/// <summary>The learner: advantages, objective, optimiser step, checkpoint. One thread at a time; no actor and no file is needed to test it.</summary>
public sealed class PolicyLearner : IDisposable
{
    private readonly LanguageModel _policy;
    private readonly ValueModel _value;
    private readonly LearnerOptions _options;
    private readonly ulong _seed;
    private readonly string _incidents;
    private readonly IObjective _objective;
    private readonly AdamW _optimizer;
    private readonly Device _device;

    /// <summary>Prepares the optimiser.</summary>
    /// <param name="policy">Float32; trained in place; stays the caller's.</param>
    /// <param name="value">Float32; trained in place; stays the caller's. Two heads when the options ask for a two-headed value.</param>
    /// <param name="options">Hyper-parameters.</param>
    /// <param name="seed">Seed of the minibatch order.</param>
    /// <param name="incidents">Folder that receives the offending batch when a guard trips; created when needed.</param>
    /// <exception cref="DfpoException"><c>learner/options</c> or <c>learner/model</c>.</exception>
    public PolicyLearner(LanguageModel policy, ValueModel value, LearnerOptions options, ulong seed, string incidents)
    {
        (_policy, _value, _options, _seed, _incidents) = (policy, value, options.Checked(), seed, incidents);
        _objective = options.Objective == ObjectiveKind.Ppo ? new PpoObjective(options.Ppo, options.ClipRange) : new DfpoObjective(options.Dfpo, options.ClipRange);
        RequireTrainable(policy, value, options);
        _device = policy.parameters().First().device;
        var valueRate = options.ValueLearningRate > 0 ? options.ValueLearningRate : options.LearningRate;
        _optimizer = new AdamW([
            .. ParameterGroup.Split(policy, "policy.", options.LearningRate, options.WeightDecay),
            .. ParameterGroup.Split(value, "value.", valueRate, options.WeightDecay)]);
    }

    /// <summary>Updates done.</summary>
    public int Iteration { get; private set; }

    /// <summary>Learns from one iteration's trajectories: values and advantages once, then <see cref="LearnerOptions.Epochs"/> passes over minibatches of whole sequences.</summary>
    /// <remarks>After an exception or a cancellation the weights stand between two optimiser steps; only <see cref="Load"/> brings back a whole iteration.</remarks>
    /// <exception cref="DfpoException"><c>learner/batch</c>: the batch cannot be learnt from; <c>learner/not-finite</c> or <c>learner/kl-exploded</c>: a guard tripped, the message names the saved batch.</exception>
    /// <exception cref="OperationCanceledException">Between two minibatches.</exception>
    public LearnerReport Update(IReadOnlyList<Trajectory> batch, CancellationToken cancellation = default)
    {
        BatchCheck.RequireLearnable(batch, _options.MinibatchSize, _policy.MaxPositions, _objective);
        var statistics = new Statistics();
        var kl = Measure(batch, statistics);
        using var precision = new MatmulPrecision(_options.Bf16 ? ScalarType.BFloat16 : null, _policy.Precision, _value.Precision);
        var scored = Score(batch, statistics, cancellation);
        for (var epoch = 0; epoch < _options.Epochs; epoch++)
        {
            using var activity = StartActivity(DfpoTelemetry.Spans.Epoch);
            var minibatches = Order(scored.Length, epoch).Select(i => scored[i]).Chunk(_options.MinibatchSize).ToArray();
            for (var m = 0; m < minibatches.Length; m++)
            {
                cancellation.ThrowIfCancellationRequested();
                Step(minibatches[m], epoch, m, statistics);
            }
        }
        foreach (var (name, value) in _objective.State)
            statistics.Add(name, value);
        _objective.EndIteration(kl);
        Iteration++;
        return new LearnerReport(statistics.Means());
    }

    /// <summary>Writes everything that a resumed run needs to be bit-identical: policy, value, optimiser, KL controller, iteration. The folder appears whole or not at all.</summary>
    public void Save(string folder) =>
        LearnerCheckpoint.Save(folder, _policy, _value, _optimizer, new LearnerCheckpoint.Scalars(Iteration, Fingerprint(), _objective.State));

    /// <summary>Restores what <see cref="Save"/> wrote.</summary>
    /// <exception cref="DfpoException"><c>learner/resume</c>: there is no checkpoint, or it was made with other options; or a checkpoint error.</exception>
    public void Load(string folder)
    {
        var scalars = LearnerCheckpoint.Load(folder, _policy, _value, _optimizer, Fingerprint());
        Iteration = scalars.Iteration;
        _objective.Restore(scalars.Objective);
    }

    /// <inheritdoc/>
    public void Dispose() => _optimizer.Dispose();

    /// <summary>Figures of the rollouts, and their guards; returns the mean <c>log pi_theta - log pi_0</c> a token.</summary>
    private double Measure(IReadOnlyList<Trajectory> batch, Statistics statistics)
    {
        if (batch.Any(t => !float.IsFinite(t.Reward)))
            throw Stop("learner/not-finite", "a reward is not a finite number", "rollout", batch);
        if (batch.Any(t => t.Logprobs.Concat(t.ReferenceLogprobs).Concat(t.StateKl).Any(x => !float.IsFinite(x))))
            throw Stop("learner/not-finite", "a log-probability or a KL is not a finite number", "rollout", batch);
        var kl = KlEstimators.K1(batch.SelectMany(t => t.Logprobs.Zip(t.ReferenceLogprobs, (policy, reference) => (double)policy - reference)));
        var fullKl = batch.SelectMany(t => t.StateKl).Average(x => (double)x);
        if (Math.Max(kl, fullKl) is var worst && worst > _options.MaxKl)
            throw Stop("learner/kl-exploded", $"the rollouts' mean KL is {worst:0.###} nats a token, above 'max-kl' {_options.MaxKl}: lower the learning rate or raise the KL coefficient", "rollout", batch);
        statistics.Add("objective/kl", kl);
        statistics.Add("objective/kl_full", fullKl);
        statistics.Add("objective/rewards", batch.Average(t => t.Reward));
        return kl;
    }

    private ScoredTrajectory[] Score(IReadOnlyList<Trajectory> batch, Statistics statistics, CancellationToken cancellation)
    {
        using var activity = StartActivity(DfpoTelemetry.Spans.Advantages);
        var values = ValuePass.Estimate(_value, batch, _options.MinibatchSize, _objective, _device, cancellation);
        var estimates = batch.Zip(values, (t, v) => GeneralizedAdvantageEstimation.Episode(_objective.TokenRewards(t), v, _options.Gamma, _options.Lambda)).ToArray();
        statistics.Add("value/explained_variance", ValueLoss.ExplainedVariance([.. values.SelectMany(v => v)], [.. estimates.SelectMany(e => e.Returns)]));
        return [.. batch.Zip(estimates, (t, e) => new ScoredTrajectory(t, [.. e.Advantages.Select(a => (float)a)], [.. e.Returns.Select(r => (float)r)]))];
    }

    private void Step(ScoredTrajectory[] minibatch, int epoch, int index, Statistics statistics)
    {
        using var scope = NewDisposeScope();
        var trajectories = minibatch.Select(s => s.Trajectory).ToArray();
        var tokens = ScoredTrajectory.Concatenate(minibatch);
        var batch = TeacherForcedBatch.Create(_policy, [.. trajectories.Select(t => (t.PromptTokens, t.Tokens))], _device);
        try
        {
            // The two losses share no parameter: one after the other, only one graph is held at a time.
            if (Iteration >= _options.ValueWarmupIterations)
                PolicyGradient(batch, tokens, withEntropy: epoch == 0, statistics);
            ValueGradient(trajectories, batch, tokens, statistics);
            var norm = nn.utils.clip_grad_norm_(_optimizer.Parameters.Select(p => p.Value), _options.MaxGradNorm);
            RequireFinite(norm, "the gradient's norm");
            statistics.Add("grad/norm", norm);
            _optimizer.Step();
        }
        catch (NotFiniteNumberException e)
        {
            throw Stop("learner/not-finite", e.Message, $"epoch {epoch + 1} minibatch {index + 1}", trajectories);
        }
        finally
        {
            _optimizer.ZeroGrad();
        }
    }

    private void PolicyGradient(TeacherForcedBatch batch, TokenBatch tokens, bool withEntropy, Statistics statistics)
    {
        using var scope = NewDisposeScope();
        var logprobs = TokenLogprobs.Forward(_policy, batch, withEntropy);
        var loss = _objective.Loss(logprobs.Values, tokens, statistics);
        statistics.Add("policy/loss", RequireFinite(loss.ToDouble(), "the policy loss"));
        if (logprobs.SummedEntropy is { } entropy)
            statistics.Add("objective/entropy", entropy, tokens.Count);
        loss.backward();
        logprobs.Backward();
    }

    private void ValueGradient(Trajectory[] trajectories, TeacherForcedBatch batch, TokenBatch tokens, Statistics statistics)
    {
        using var scope = NewDisposeScope();
        var loss = ValueLoss.MeanSquaredError(ValuePass.Forward(_value, trajectories, batch, _objective), tokens.Returns);
        statistics.Add("value/loss", RequireFinite(loss.ToDouble(), "the value loss"));
        (loss * _options.ValueCoefficient).backward();
    }

    /// <summary>The order of the sequences in an epoch: a pure function of seed, iteration and epoch.</summary>
    private int[] Order(int count, int epoch) => CounterRandom.Permutation(count, CounterRandom.UInt64(CounterRandom.UInt64(_seed, (ulong)Iteration), (ulong)epoch));

    private static double RequireFinite(double number, string what) =>
        double.IsFinite(number) ? number : throw new NotFiniteNumberException($"{what} is {number}", number);

    private static void RequireTrainable(LanguageModel policy, ValueModel value, LearnerOptions options)
    {
        if (policy.parameters().Concat(value.parameters()).Any(p => p.dtype != ScalarType.Float32))
            throw new DfpoException("learner/model", "The learner trains float32 weights: load policy and value as float32 and set 'bf16' for faster matrix products.");
        var heads = options is { Objective: ObjectiveKind.Dfpo, Dfpo.Value: DfpoValue.TwoHeaded } ? 2 : 1;
        if (value.Heads < heads)
            throw new DfpoException("learner/model", $"Option 'dfpo.value' asks for {heads} value heads but the value model has {value.Heads}.");
    }

    /// <summary>The options that decide what is learnt; guards and how the result is decoded may change between runs.</summary>
    private string Fingerprint() => JsonSerializer.Serialize(new
    {
        Seed = _seed,
        Options = _options with
        {
            MaxKl = 1,
            Dfpo = _options.Objective == ObjectiveKind.Dfpo ? _options.Dfpo with { Decode = default } : new DfpoOptions(),
            Ppo = _options.Objective == ObjectiveKind.Ppo ? _options.Ppo : new PpoOptions(),
        },
    });

    private DfpoException Stop(string code, string reason, string place, IReadOnlyList<Trajectory> batch) =>
        new Incident(code, reason, Iteration + 1, place, batch).Record(_incidents);

    private Activity? StartActivity(string name) => DfpoTelemetry.Source.StartActivity(name)?.SetTag(DfpoTelemetry.Tags.Iteration, Iteration + 1);
}
