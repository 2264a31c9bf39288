using DfPO.Learner.Objectives;
using DfPO.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Guards;

/// <summary>The models that a learner trains or keeps.</summary>
/// <param name="Policy">What is trained.</param>
/// <param name="Value">The value model; null for a rule without one.</param>
/// <param name="Mask">The mask policy; null where the learner holds none.</param>
internal sealed record TrainableModels(LanguageModel Policy, ValueModel? Value, LanguageModel? Mask)
{
    /// <summary>Refuses models that are not what an update rule needs.</summary>
    /// <exception cref="DfpoException"><c>learner/model</c>.</exception>
    public void Require(ObjectiveTraits traits)
    {
        var parameters = Policy.TrainedParameters().Concat(Value?.TrainedParameters() ?? []).Concat(Mask?.named_parameters() ?? []);
        if (parameters.Any(p => p.parameter.dtype != ScalarType.Float32))
            throw Wrong("The learner trains float32 weights: load policy and value as float32 and set 'bf16' for faster matrix products.");
        if (traits.NeedsValue && Value is null)
            throw Wrong("The objective needs a value model: give one, or choose an objective without.");
        if (Value is { } value && value.Heads < traits.ValueHeads)
            throw Wrong($"Option 'dfpo.value' asks for {traits.ValueHeads} value heads but the value model has {value.Heads}.");
        if (traits.NeedsSecondDerivatives && Policy.parameters().First().device.type != DeviceType.CPU)
            throw Wrong(
                "The objective differentiates the policy twice, which is tested on a CPU alone: set 'model.device' to cpu, or choose another objective."
            );
        if (traits.MaskPolicy is { HeldByLearner: true } && Mask is null)
            throw Wrong("The objective needs a model for its mask policy: give a second copy of the policy.");
    }

    private static DfpoException Wrong(string message) => new("learner/model", message);
}
