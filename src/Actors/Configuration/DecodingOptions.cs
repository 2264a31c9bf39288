using System.ComponentModel.DataAnnotations;
using DfPO.Learner.Objectives;
using DfPO.Models.Policies;

namespace DfPO.Actors.Configuration;

/// <summary>The KL mask of a decoding: keys that are not given are those of <c>learner.dfpo</c>.</summary>
public sealed record DecodingOptions
{
    /// <summary>Threshold of the mask.</summary>
    public KlMaskRule MaskRule { get; init; } = new DfpoOptions().MaskRule.Decoding();

    /// <summary>Tolerance <c>tau</c>, nats, at least 0.</summary>
    [Range(0, double.PositiveInfinity)]
    public float Tolerance { get; init; } = new DfpoOptions().Tolerance;
}
