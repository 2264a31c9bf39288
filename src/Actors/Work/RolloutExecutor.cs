using System.Diagnostics;
using DfPO.Actors.Weights;
using DfPO.Models;
using DfPO.Models.Checkpoints;
using DfPO.Models.Devices;
using DfPO.Models.Diagnostics;
using DfPO.Rollout;

namespace DfPO.Actors.Work;

/// <summary>A generation engine on one device: the policy, whose weights come and go, and the reference, which stays.</summary>
public sealed class RolloutExecutor : IUnitExecutor
{
    private readonly LanguageModel _policy;
    private readonly LanguageModel _reference;
    private readonly GenerationEngine _engine;

    /// <summary>Loads policy and reference from the checkpoint that training started from.</summary>
    /// <param name="folder">Checkpoint folder.</param>
    /// <param name="device">Device name.</param>
    /// <param name="dtype">Precision of both models.</param>
    public RolloutExecutor(string folder, string device, string dtype)
    {
        var (torchDevice, scalarType) = (TorchDevices.Parse(device), TorchDevices.ParseDtype(dtype));
        _policy = PretrainedModels.LoadLanguageModel(folder, torchDevice, scalarType);
        _reference = PretrainedModels.LoadLanguageModel(folder, torchDevice, scalarType);
        _engine = new GenerationEngine(_policy, _reference, _policy.EosTokenId);
    }

    /// <inheritdoc/>
    public string SpanName => DfpoTelemetry.Spans.Generate;

    /// <inheritdoc/>
    public string HeldDigest { get; private set; } = "";

    /// <inheritdoc/>
    public void Apply(WeightsRef weights, string file, ActivityContext parent)
    {
        using var activity = DfpoTelemetry.Source.StartActivity(DfpoTelemetry.Spans.Apply, ActivityKind.Internal, parent);
        activity?.SetTag(DfpoTelemetry.Tags.WeightsVersion, weights.Version);
        HeldDigest = "";
        using (var opened = CheckpointFolder.OpenFile(file))
            PretrainedModels.LoadWeights(_policy, opened, optional: _ => false);
        HeldDigest = weights.Digest;
    }

    /// <inheritdoc/>
    public UnitResult Execute(WorkUnit unit, CancellationToken cancellation)
    {
        if (unit is not RolloutUnit rollout)
            throw new DfpoException("worker/unit", $"Unit {unit.Id} is not for a rollout worker.");
        var sequences = _engine.Generate(rollout.Requests, rollout.Options, cancellation);
        Activity.Current?.SetTag(DfpoTelemetry.Tags.Policy, rollout.Options.Policy.ToString().ToLowerInvariant())
            .SetTag(DfpoTelemetry.Tags.WeightsVersion, rollout.Weights.Version)
            .SetTag(DfpoTelemetry.Tags.InputTokens, rollout.Requests.Sum(r => r.PromptTokens.Length))
            .SetTag(DfpoTelemetry.Tags.OutputTokens, sequences.Sum(s => s.Tokens.Length));
        return new RolloutResult(sequences);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _policy.Dispose();
        _reference.Dispose();
    }
}
