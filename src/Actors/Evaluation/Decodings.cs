using DfPO.Actors.Configuration;
using DfPO.Learner.Objectives;
using DfPO.Models.Policies;
using DfPO.Rollout;

namespace DfPO.Actors.Evaluation;

/// <summary>How an experiment's word about sampling and masks becomes options of one decoding.</summary>
public static class Decodings
{
    /// <summary>
    /// How an experiment's policy is drawn from when it is evaluated, its KL mask included; a decoding policy is still to be chosen.
    /// </summary>
    public static GenerationOptions Evaluated(this ExperimentConfig config) =>
        (config.Evaluation.Generation ?? config.Rollout.Generation).WithMaskOf(config);

    /// <summary>Options with the KL mask under which an experiment's policies are evaluated, generated and distilled.</summary>
    public static GenerationOptions WithMaskOf(this GenerationOptions options, ExperimentConfig config) =>
        options with
        {
            MaskRule = config.Decoding().MaskRule,
            Tolerance = config.Decoding().Tolerance,
        };

    /// <summary>
    /// Options of one decoding policy: the policy itself under NLPO's mask, if there is one; a KL-masked one under no other mask and
    /// sampled, for there is no beam search under such a mask.
    /// </summary>
    /// <param name="options">Sampling and KL mask.</param>
    /// <param name="policy">The decoding policy.</param>
    /// <param name="mask">NLPO's mask; null for none.</param>
    public static GenerationOptions Under(this GenerationOptions options, DecodingPolicy policy, MaskPolicyTraits? mask)
    {
        var chosen = options with { Policy = policy };
        return policy != DecodingPolicy.Policy ? chosen with { NumBeams = 1 }
            : mask is not null ? chosen with { MaskTopP = mask.TopP, MaskMinTokens = mask.MinTokensToKeep }
            : chosen;
    }
}
