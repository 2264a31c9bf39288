using DfPO.Models;

namespace DfPO.Rollout.Sampling;

/// <summary>
/// The model that decodes in lock-step with the policy, and what its logits are there for: one of the two forms, and no other.
/// </summary>
internal abstract record DecodingPartner
{
    private DecodingPartner(LanguageModel model) => Model = model;

    /// <summary>The model, of the policy's architecture and vocabulary; the caller's.</summary>
    public LanguageModel Model { get; }

    /// <summary><c>pi_0</c>: the log-ratio to it masks what is drawn (<see cref="KlMask"/>), and every draw is measured under it.</summary>
    public sealed record KlReference(LanguageModel Reference) : DecodingPartner(Reference);

    /// <summary>
    /// NLPO's mask policy: its most likely tokens are all that may be drawn (<see cref="Sampling.NucleusMask"/>); it measures nothing.
    /// </summary>
    public sealed record NucleusMask(LanguageModel MaskPolicy) : DecodingPartner(MaskPolicy);
}
