using System.ComponentModel.DataAnnotations;
using DfPO.Models;
using DfPO.Models.Options;
using DfPO.Models.Policies;

namespace DfPO.Rollout;

/// <summary>
/// How continuations are drawn. Order of the filters: repetition penalty, repeated n-grams, minimum length, mask, temperature, top-k,
/// top-p.
/// </summary>
public sealed record GenerationOptions
{
    /// <summary>Most tokens of a continuation, at least 1.</summary>
    [Range(1, int.MaxValue)]
    [Unit("tokens")]
    public int MaxNewTokens { get; init; } = 48;

    /// <summary>The tokens that end a text are forbidden before so many tokens; 0 to <see cref="MaxNewTokens"/>.</summary>
    [Range(0, int.MaxValue)]
    [Unit("tokens")]
    public int MinNewTokens { get; init; }

    /// <summary>Divides the logits; greater than 0.</summary>
    [Range(0, double.PositiveInfinity, MinimumIsExclusive = true)]
    public float Temperature { get; init; } = 1;

    /// <summary>Keeps the k most likely tokens; 0 keeps all.</summary>
    [Range(0, int.MaxValue)]
    public int TopK { get; init; }

    /// <summary>Keeps the smallest set of tokens whose probability reaches p; in (0, 1], 1 keeps all.</summary>
    [Range(0.0, 1.0, MinimumIsExclusive = true)]
    public float TopP { get; init; } = 1;

    /// <summary>
    /// Divides or multiplies the logits of tokens that the text already holds; greater than 0, 1 changes nothing. A prompt counts where it
    /// is part of the decoder's text.
    /// </summary>
    [Range(0, double.PositiveInfinity, MinimumIsExclusive = true)]
    public float RepetitionPenalty { get; init; } = 1;

    /// <summary>No n-gram of this length may come twice in the text; 0 allows all.</summary>
    [Range(0, int.MaxValue)]
    public int NoRepeatNgramSize { get; init; }

    /// <summary>
    /// Beams of a beam search, at least 1; 1 samples instead. A beam search takes the likeliest continuations: no temperature, top-k, top-p
    /// or KL mask.
    /// </summary>
    [Range(1, int.MaxValue)]
    public int NumBeams { get; init; } = 1;

    /// <summary>Continuations returned of each prompt, best first; at most <see cref="NumBeams"/>.</summary>
    [Range(1, int.MaxValue)]
    public int NumReturnSequences { get; init; } = 1;

    /// <summary>A finished beam's score is its log-probability divided by its length to this power; higher favours longer texts.</summary>
    public float LengthPenalty { get; init; } = 1;

    /// <summary>What that length counts.</summary>
    public BeamLength BeamLength { get; init; }

    /// <summary>When a beam search ends.</summary>
    public EarlyStopping EarlyStopping { get; init; }

    /// <summary>The distribution that is sampled.</summary>
    [Follows("learner.dfpo.behaviour and learner.dfpo.decode")]
    public DecodingPolicy Policy { get; init; }

    /// <summary>Threshold of the KL mask.</summary>
    [Follows("learner.dfpo.mask-rule and evaluation.decoding.mask-rule")]
    public KlMaskRule MaskRule { get; init; }

    /// <summary>
    /// Tolerance <c>tau</c> of the KL mask, at least 0: nats, or with <see cref="KlMaskRule.Scaled"/> standard deviations of the log-ratio.
    /// </summary>
    [Range(0, double.PositiveInfinity)]
    [Follows("learner.dfpo.tolerance and evaluation.decoding.tolerance")]
    public float Tolerance { get; init; }

    /// <summary>The mask is skipped, and counted, at a step where it would retain less probability than this.</summary>
    [Range(0.0, 1.0, MaximumIsExclusive = true)]
    public float MassFloor { get; init; } = 1e-3f;

    /// <summary>
    /// NLPO's mask: probability under a mask policy that the tokens which may be drawn reach, in (0, 1]; 1 for no mask. Those that end a
    /// text are always among them.
    /// </summary>
    [Range(0.0, 1.0, MinimumIsExclusive = true)]
    [Follows("learner.nlpo.top-p")]
    public double MaskTopP { get; init; } = 1;

    /// <summary>Tokens that NLPO's mask leaves at least, at least 1.</summary>
    [Range(1, int.MaxValue)]
    [Follows("learner.nlpo.min-tokens-to-keep")]
    public int MaskMinTokens { get; init; } = 1;

    /// <summary>Checks every field.</summary>
    /// <exception cref="DfpoException"><c>generation/options</c>, naming the field.</exception>
    public GenerationOptions Checked()
    {
        OptionSchema.Check(this, "generation/options");
        Require(MinNewTokens <= MaxNewTokens, "min-new-tokens", "at most max-new-tokens");
        Require(NumReturnSequences <= NumBeams, "num-return-sequences", "at most num-beams");
        Require(
            NumBeams == 1 || (Temperature == 1 && TopK == 0 && TopP == 1),
            "num-beams",
            "1 with a temperature, top-k or top-p: a beam search does not sample"
        );
        Require(NumBeams == 1 || Policy == DecodingPolicy.Policy, "num-beams", "1 under a KL mask: a masked policy is sampled");
        Require(MaskTopP == 1 || Policy == DecodingPolicy.Policy, "mask-top-p", "1 under a KL mask: one mask at a time");
        return this;

        static void Require(bool holds, string field, string rule)
        {
            if (!holds)
                throw new DfpoException("generation/options", $"Option '{field}' must be {rule}.");
        }
    }
}
