using DfPO.Learner.Checkpoints;
using DfPO.Learner.Objectives;
using DfPO.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Guards;

/// <summary>Whether the models are what an update rule needs.</summary>
internal static class TrainableModels
{
    /// <exception cref="DfpoException"><c>learner/model</c>.</exception>
    public static void Require(LearnerCheckpoint.Models models, ObjectiveTraits traits)
    {
        var parameters = models.Policy.TrainedParameters().Concat(models.Value?.TrainedParameters() ?? []).Concat(models.Mask?.named_parameters() ?? []);
        if (parameters.Any(p => p.parameter.dtype != ScalarType.Float32))
            throw Wrong("The learner trains float32 weights: load policy and value as float32 and set 'bf16' for faster matrix products.");
        if (traits.NeedsValue && models.Value is null)
            throw Wrong("The objective needs a value model: give one, or choose an objective without.");
        if (models.Value is { } value && value.Heads < traits.ValueHeads)
            throw Wrong($"Option 'dfpo.value' asks for {traits.ValueHeads} value heads but the value model has {value.Heads}.");
        if (traits.NeedsSecondDerivatives && models.Policy.parameters().First().device.type != DeviceType.CPU)
            throw Wrong("The objective differentiates the policy twice, which is tested on a CPU alone: set 'model.device' to cpu, or choose another objective.");
        if (traits.MaskPolicy is { HeldByLearner: true } && models.Mask is null)
            throw Wrong("The objective needs a model for its mask policy: give a second copy of the policy.");
    }

    private static DfpoException Wrong(string message) => new("learner/model", message);
}
