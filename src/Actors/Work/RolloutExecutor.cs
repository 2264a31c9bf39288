using System.Diagnostics;
using DfPO.Actors.Weights;
using DfPO.Models;
using DfPO.Models.Checkpoints;
using DfPO.Models.Devices;
using DfPO.Models.Diagnostics;
using DfPO.Models.Lora;
using DfPO.Models.Policies;
using DfPO.Rollout.Generation;

namespace DfPO.Actors.Work;

/// <summary>
/// A generation engine on one device: the policy, whose weights come and go, the reference, which stays, and a mask policy where weights
/// come for one. A policy of adapters shares the reference's weights.
/// </summary>
public sealed class RolloutExecutor : IUnitExecutor
{
    private readonly LanguageModel _reference;
    private LanguageModel? _policy;
    private LanguageModel? _mask;
    private GenerationEngine? _engine;
    private EndOfText? _endOfText;
    private string _held = "";
    private bool _adapted;

    /// <summary>Loads the reference from the checkpoint that training started from; the policy comes with its first weights.</summary>
    /// <param name="folder">Checkpoint folder.</param>
    /// <param name="device">Device name.</param>
    /// <param name="dtype">Precision of reference and policy.</param>
    public RolloutExecutor(string folder, string device, string dtype)
    {
        var (torchDevice, scalarType) = (TorchDevices.Parse(device), TorchDevices.ParseDtype(dtype));
        _reference = PretrainedModels.LoadLanguageModel(folder, torchDevice, scalarType);
    }

    /// <inheritdoc/>
    public string SpanName => DfpoTelemetry.Spans.Generate;

    /// <inheritdoc/>
    public string HeldDigest => WeightsRef.NeededOf(_held, HeldMask);

    /// <inheritdoc/>
    public string HeldMask { get; private set; } = "";

    /// <inheritdoc/>
    public void Apply(WeightsRef weights, string file, ActivityContext parent)
    {
        _held = "";
        Put(weights, file, parent, Apply);
        _held = weights.Digest;
    }

    /// <inheritdoc/>
    public void ApplyMask(WeightsRef weights, string file, ActivityContext parent)
    {
        HeldMask = "";
        if (_mask is null)
            (_mask, _engine) = (SharedWeights.Blank(_reference), null);
        Put(weights, file, parent, opened => PretrainedModels.LoadWeights(_mask, opened, optional: _ => false));
        HeldMask = weights.Digest;
    }

    /// <inheritdoc/>
    public UnitResult Execute(WorkUnit unit, CancellationToken cancellation)
    {
        if (unit is not RolloutUnit rollout)
            throw new DfpoException("worker/unit", $"Unit {unit.Id} is not for a rollout worker.");
        // Without weights of its own the mask policy is the initial one.
        if (_engine is null || _endOfText != rollout.EndOfText)
            (_engine, _endOfText) = (
                new GenerationEngine(_policy ?? Policy(adapted: true), _reference, rollout.EndOfText, _mask ?? _reference),
                rollout.EndOfText
            );
        var sequences = _engine.Generate(rollout.Requests, rollout.Options, cancellation);
        Activity
            .Current?.SetTag(DfpoTelemetry.Tags.Policy, rollout.Options.Policy.Name())
            .SetTag(DfpoTelemetry.Tags.WeightsVersion, rollout.Weights.Version)
            .SetTag(DfpoTelemetry.Tags.InputTokens, rollout.Requests.Sum(r => r.PromptTokens.Length))
            .SetTag(DfpoTelemetry.Tags.OutputTokens, sequences.Sum(s => s.Tokens.Length));
        return new RolloutResult(sequences);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _policy?.Adapters?.Dispose();
        _policy?.Dispose();
        _mask?.Dispose();
        _reference.Dispose();
    }

    private static void Put(WeightsRef weights, string file, ActivityContext parent, Action<CheckpointFolder> apply)
    {
        using var activity = DfpoTelemetry.Source.StartActivity(DfpoTelemetry.Spans.Apply, ActivityKind.Internal, parent);
        activity?.SetTag(DfpoTelemetry.Tags.WeightsVersion, weights.Version);
        using var opened = CheckpointFolder.OpenFile(file);
        apply(opened);
    }

    private void Apply(CheckpointFolder weights)
    {
        var adapted = LoraAdapters.Are(weights);
        var policy = Policy(adapted);
        if (adapted)
        {
            var before = policy.Adapters;
            LoraAdapters.Read(weights, _reference).AttachTo(policy);
            before?.Dispose();
        }
        else
            PretrainedModels.LoadWeights(policy, weights, optional: _ => false);
    }

    /// <summary>The policy: beside the reference's weights where only adapters come, with memory of its own where all weights do.</summary>
    private LanguageModel Policy(bool adapted)
    {
        if (_policy is not null && _adapted == adapted)
            return _policy;
        (_policy?.Adapters)?.Dispose();
        _policy?.Dispose();
        (_adapted, _engine) = (adapted, null);
        return _policy = adapted ? SharedWeights.Twin(_reference) : SharedWeights.Blank(_reference);
    }
}
