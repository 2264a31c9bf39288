using System.Diagnostics;
using DfPO.Actors.Configuration;
using DfPO.Actors.Evaluation;
using DfPO.Actors.Weights;
using DfPO.Learner;
using DfPO.Learner.Configuration;
using DfPO.Learner.Updates;
using DfPO.Models;
using DfPO.Models.Devices;
using DfPO.Models.Diagnostics;
using DfPO.Models.Lora;
using DfPO.Models.Tokenizers;
using DfPO.Rollout.Scoring;
using DfPO.Tasks.Prompts;
using static DfPO.Actors.Learning.LearnerProtocol;
using static TorchSharp.torch;

namespace DfPO.Actors.Learning;

/// <summary>What the learner actor does on its torch thread: models, updates, files, publication.</summary>
public sealed class LearnerSession : ILearner, IDisposable
{
    private readonly ExperimentConfig _config;
    private readonly WeightsStore _store;
    private readonly ScalarType _wireDtype;
    private readonly LanguageModel _policy;
    private readonly ValueModel? _value;
    private readonly LanguageModel? _mask;
    private readonly LanguageModel? _reference;
    private readonly bool _scoresTexts;
    private readonly PolicyLearner _learner;
    private WeightsRef? _publishedMask;

    /// <summary>Loads policy, and what else the objective needs, from the experiment's checkpoint folder.</summary>
    /// <param name="config">The experiment.</param>
    /// <param name="store">Receives published weights.</param>
    /// <param name="incidents">Folder for batches on which a guard trips.</param>
    /// <param name="endOfText">Tokens that end a text; null gathers them from the policy's folder.</param>
    public LearnerSession(ExperimentConfig config, WeightsStore store, string incidents, EndOfText? endOfText = null)
    {
        (_config, _store) = (config, store);
        var device = TorchDevices.Parse(config.Model.Device);
        _wireDtype = TorchDevices.ParseDtype(config.Model.Dtype);
        _policy = PretrainedModels.LoadLanguageModel(config.Model.Policy, device);
        var traits = ObjectiveRegistry.Traits(config.Learner);
        var lora = config.Model.Lora;
        if (lora.IsOn && traits.MaskPolicy is { HeldByLearner: true })
            throw new DfpoException(
                "config/lora",
                "This objective keeps a copy of the policy as its mask, which adapters have not: set 'model.lora.rank = 0'."
            );
        LanguageModel Copy() => PretrainedModels.LoadLanguageModel(config.Model.Policy, device);
        _value = traits.NeedsValue ? new ValueModel(lora.IsOn ? SharedWeights.Twin(_policy) : Copy(), traits.ValueHeads) : null;
        _mask = traits.MaskPolicy is { HeldByLearner: true } ? Copy() : null;
        // Under adapters the base is the reference.
        _reference = config.LearnerHoldsReference()
            ? lora.IsOn
                ? SharedWeights.Twin(_policy)
                : Copy()
            : null;
        _scoresTexts = traits.SamplesPerPrompt == 0;
        if (lora.IsOn)
        {
            LoraAdapters.Create(_policy, lora, config.Seed);
            if (_value is not null)
                LoraAdapters.Create(_value.Trunk, lora, config.Seed + 1);
        }
        _learner = new PolicyLearner(
            _policy,
            _value,
            config.Learner,
            config.Seed,
            incidents,
            _mask,
            _reference,
            _mask is null ? null : endOfText ?? EndOfText.Of(config.Model.Policy, TextTokenizer.Load(config.Model.Policy))
        );
    }

    /// <summary>What is learnt of the policy, which is all that workers need to be sent.</summary>
    private nn.Module Learned => _policy.Adapters ?? (nn.Module)_policy;

    /// <inheritdoc/>
    public Published Start(string? folder)
    {
        if (folder is not null)
            _learner.Load(folder);
        return new(_learner.Iteration, Publish());
    }

    /// <inheritdoc/>
    public Learnt Learn(IReadOnlyList<Trajectory> batch, ActivityContext parent, IReadOnlyList<ActivityContext> units)
    {
        LearnerReport report;
        using (
            var activity = DfpoTelemetry.Source.StartActivity(
                DfpoTelemetry.Spans.Learn,
                ActivityKind.Consumer,
                parent,
                links: units.Where(u => u != default).Select(u => new ActivityLink(u))
            )
        )
        {
            activity?.SetTag(DfpoTelemetry.Tags.Iteration, _learner.Iteration + 1);
            report = _learner.Update(_scoresTexts && _reference is not null ? Scored(batch, _reference) : batch);
        }
        return new(_learner.Iteration, Publish(parent), report);
    }

    /// <inheritdoc/>
    public void Save(string folder) => _learner.Save(folder);

    /// <inheritdoc/>
    public Exported Export(string folder)
    {
        if (_policy.Adapters is { } adapters)
            AdapterFolder.Save(folder, adapters, _policy, Path.GetFullPath(_config.Model.Policy));
        else
            PretrainedModels.Save(folder, _policy, ScalarType.Float32);
        ModelFolder.Complete(folder, _config.Model.Policy);
        if (_mask is not null && _learner.MaskIteration != _learner.Iteration)
            PretrainedModels.Save(MaskFolder.In(folder), _mask, ScalarType.Float32);
        return new(WeightsStore.Digest(Learned));
    }

    /// <inheritdoc/>
    public Published PublishExported(string folder)
    {
        if (_mask is not null)
            using (var mask = PretrainedModels.LoadLanguageModel(MaskFolder.Of(folder)))
                _publishedMask = _store.Publish(mask, _learner.Iteration, _wireDtype);
        using var adapter = _policy.Adapters is null ? null : AdapterFolder.Load(folder);
        using var model = adapter is null ? PretrainedModels.LoadLanguageModel(folder) : null;
        return new(
            _learner.Iteration,
            _store.Publish(adapter?.Factors ?? (nn.Module)model!, _learner.Iteration, _wireDtype, mask: _publishedMask)
        );
    }

    /// <inheritdoc/>
    public Measured Measure(IReadOnlyList<Prompt> prompts, string? folder)
    {
        using var exported = folder is null ? null : PretrainedModels.LoadLanguageModel(folder, TorchDevices.Parse(_config.Model.Device));
        var tokenizer = TextTokenizer.Load(_config.Model.Policy);
        return new(ModelPerplexity.OfReferences(exported ?? _policy, tokenizer, EndOfText.Of(_config.Model.Policy, tokenizer), prompts));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _learner.Dispose();
        _value?.Trunk.Adapters?.Dispose();
        _policy.Adapters?.Dispose();
        _value?.Dispose();
        _mask?.Dispose();
        _reference?.Dispose();
        _policy.Dispose();
    }

    /// <summary>Given texts come without log-probabilities: no rollout worker has seen them.</summary>
    private static Trajectory[] Scored(IReadOnlyList<Trajectory> batch, LanguageModel reference)
    {
        var logprobs = SequenceScorer.Logprobs(reference, [.. batch.Select(t => (t.PromptTokens, t.Tokens))]);
        return [.. batch.Zip(logprobs, (trajectory, scores) => trajectory with { Logprobs = scores, ReferenceLogprobs = scores })];
    }

    private WeightsRef Publish(ActivityContext parent = default)
    {
        if (_mask is not null && _publishedMask?.Version != _learner.MaskIteration)
            _publishedMask = _store.Publish(_mask, _learner.MaskIteration, _wireDtype, parent);
        return _store.Publish(Learned, _learner.Iteration, _wireDtype, parent, _publishedMask);
    }
}
