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
public sealed class LearnerSession : IDisposable
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
    private WeightsRef? _published;

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
            throw new DfpoException("config/lora", "This objective keeps a copy of the policy as its mask, which adapters have not: set 'model.lora.rank = 0'.");
        LanguageModel Copy() => PretrainedModels.LoadLanguageModel(config.Model.Policy, device);
        _value = traits.NeedsValue ? new ValueModel(lora.IsOn ? SharedWeights.Twin(_policy) : Copy(), traits.ValueHeads) : null;
        _mask = traits.MaskPolicy is { HeldByLearner: true } ? Copy() : null;
        // Under adapters the base is the reference.
        _reference = config.LearnerHoldsReference() ? lora.IsOn ? SharedWeights.Twin(_policy) : Copy() : null;
        _scoresTexts = traits.SamplesPerPrompt == 0;
        if (lora.IsOn)
        {
            LoraAdapters.Create(_policy, lora, config.Seed);
            if (_value is not null)
                LoraAdapters.Create(_value.Trunk, lora, config.Seed + 1);
        }
        _learner = new PolicyLearner(_policy, _value, config.Learner, config.Seed, incidents, _mask, _reference,
            _mask is null ? null : endOfText ?? EndOfText.Of(config.Model.Policy, TextTokenizer.Load(config.Model.Policy)));
    }

    /// <summary>What is learnt of the policy, which is all that workers need to be sent.</summary>
    private nn.Module Learnt => _policy.Adapters ?? (nn.Module)_policy;

    /// <summary>Does a command.</summary>
    public LearnerState Handle(ICommand command)
    {
        switch (command)
        {
            case Start start:
                if (start.Folder is not null)
                    _learner.Load(start.Folder);
                Publish();
                return State();
            case Learn learn:
                return State(Update(learn));
            case Save save:
                _learner.Save(save.Folder);
                return State();
            case Export export:
                if (_policy.Adapters is { } adapters)
                    AdapterFolder.Save(export.Folder, adapters, _policy, Path.GetFullPath(_config.Model.Policy));
                else
                    PretrainedModels.Save(export.Folder, _policy, ScalarType.Float32);
                ModelFolder.Complete(export.Folder, _config.Model.Policy);
                if (_mask is not null && _learner.MaskIteration != _learner.Iteration)
                    PretrainedModels.Save(MaskFolder.In(export.Folder), _mask, ScalarType.Float32);
                return State(digest: WeightsStore.Digest(Learnt));
            case PublishExported exported:
                if (_mask is not null)
                    using (var mask = PretrainedModels.LoadLanguageModel(MaskFolder.Of(exported.Folder)))
                        _publishedMask = _store.Publish(mask, _learner.Iteration, _wireDtype);
                using (var adapter = _policy.Adapters is null ? null : AdapterFolder.Load(exported.Folder))
                using (var model = adapter is null ? PretrainedModels.LoadLanguageModel(exported.Folder) : null)
                    _published = _store.Publish(adapter?.Factors ?? (nn.Module)model!, _learner.Iteration, _wireDtype, mask: _publishedMask);
                return State();
            case Measure measure:
                using (var exported = measure.Folder is null ? null : PretrainedModels.LoadLanguageModel(measure.Folder, TorchDevices.Parse(_config.Model.Device)))
                    return State() with { ReferencePerplexity = References(exported ?? _policy, measure.Prompts) };
            default:
                throw new ArgumentOutOfRangeException(nameof(command), command, null);
        }
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

    private LearnerReport Update(Learn command)
    {
        LearnerReport report;
        using (var activity = DfpoTelemetry.Source.StartActivity(DfpoTelemetry.Spans.Learn, ActivityKind.Consumer, command.Parent, links: command.Units.Where(u => u != default).Select(u => new ActivityLink(u))))
        {
            activity?.SetTag(DfpoTelemetry.Tags.Iteration, _learner.Iteration + 1);
            report = _learner.Update(_scoresTexts && _reference is not null ? Scored(command.Batch, _reference) : command.Batch);
        }
        Publish(command.Parent);
        return report;
    }

    /// <summary>Given texts come without log-probabilities: no rollout worker has seen them.</summary>
    private static Trajectory[] Scored(IReadOnlyList<Trajectory> batch, LanguageModel reference)
    {
        var logprobs = SequenceScorer.Logprobs(reference, [.. batch.Select(t => (t.PromptTokens, t.Tokens))]);
        return [.. batch.Zip(logprobs, (trajectory, scores) => trajectory with { Logprobs = scores, ReferenceLogprobs = scores })];
    }

    private double References(LanguageModel policy, IReadOnlyList<Prompt> prompts)
    {
        var tokenizer = TextTokenizer.Load(_config.Model.Policy);
        return ModelPerplexity.OfReferences(policy, tokenizer, EndOfText.Of(_config.Model.Policy, tokenizer), prompts);
    }

    private void Publish(ActivityContext parent = default)
    {
        if (_mask is not null && _publishedMask?.Version != _learner.MaskIteration)
            _publishedMask = _store.Publish(_mask, _learner.MaskIteration, _wireDtype, parent);
        _published = _store.Publish(Learnt, _learner.Iteration, _wireDtype, parent, _publishedMask);
    }

    private LearnerState State(LearnerReport? report = null, string digest = "") => new(_learner.Iteration, _published!, report, digest);
}
