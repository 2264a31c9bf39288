using DfPO.Models;
using DfPO.Models.Policies;

namespace DfPO.Rollout;

/// <summary>How continuations are drawn. Order of the filters: repetition penalty, repeated n-grams, minimum length, mask, temperature, top-k, top-p.</summary>
public sealed record GenerationOptions
{
    /// <summary>Most tokens of a continuation, at least 1.</summary>
    public int MaxNewTokens { get; init; } = 48;

    /// <summary>The end-of-text token is forbidden before so many tokens; 0 to <see cref="MaxNewTokens"/>.</summary>
    public int MinNewTokens { get; init; }

    /// <summary>Divides the logits; greater than 0.</summary>
    public float Temperature { get; init; } = 1;

    /// <summary>Keeps the k most likely tokens; 0 keeps all.</summary>
    public int TopK { get; init; }

    /// <summary>Keeps the smallest set of tokens whose probability reaches p; in (0, 1], 1 keeps all.</summary>
    public float TopP { get; init; } = 1;

    /// <summary>Divides or multiplies the logits of tokens that the text already holds; greater than 0, 1 changes nothing. A prompt counts where it is part of the decoder's text.</summary>
    public float RepetitionPenalty { get; init; } = 1;

    /// <summary>No n-gram of this length may come twice in the text; 0 allows all.</summary>
    public int NoRepeatNgramSize { get; init; }

    /// <summary>Beams of a beam search, at least 1; 1 samples instead. A beam search takes the likeliest continuations: no temperature, top-k, top-p or KL mask.</summary>
    public int NumBeams { get; init; } = 1;

    /// <summary>Continuations returned of each prompt, best first; at most <see cref="NumBeams"/>.</summary>
    public int NumReturnSequences { get; init; } = 1;

    /// <summary>A finished beam's score is its log-probability divided by its length to this power; higher favours longer texts.</summary>
    public float LengthPenalty { get; init; } = 1;

    /// <summary>What that length counts.</summary>
    public BeamLength BeamLength { get; init; }

    /// <summary>When a beam search ends.</summary>
    public EarlyStopping EarlyStopping { get; init; }

    /// <summary>The distribution that is sampled.</summary>
    public DecodingPolicy Policy { get; init; }

    /// <summary>Threshold of the KL mask.</summary>
    public KlMaskRule MaskRule { get; init; }

    /// <summary>Tolerance <c>tau</c> of the KL mask, at least 0.</summary>
    public float Tolerance { get; init; }

    /// <summary>The mask is skipped, and counted, at a step where it would retain less probability than this.</summary>
    public float MassFloor { get; init; } = 1e-3f;

    /// <summary>NLPO's mask: probability under a mask policy that the tokens which may be drawn reach, in (0, 1]; 1 for no mask. The one that ends a text is always among them.</summary>
    public double MaskTopP { get; init; } = 1;

    /// <summary>Tokens that NLPO's mask leaves at least, at least 1.</summary>
    public int MaskMinTokens { get; init; } = 1;

    /// <summary>Checks every field.</summary>
    /// <exception cref="DfpoException"><c>generation/options</c>, naming the field.</exception>
    public GenerationOptions Checked()
    {
        static void Require(bool holds, string field, string rule)
        {
            if (!holds)
                throw new DfpoException("generation/options", $"Generation option '{field}' must be {rule}.");
        }
        Require(MaxNewTokens >= 1, "max-new-tokens", "at least 1");
        Require(MinNewTokens >= 0 && MinNewTokens <= MaxNewTokens, "min-new-tokens", "between 0 and max-new-tokens");
        Require(float.IsFinite(Temperature) && Temperature > 0, "temperature", "greater than 0");
        Require(TopK >= 0, "top-k", "at least 0 (0 keeps every token)");
        Require(TopP is > 0 and <= 1, "top-p", "greater than 0 and at most 1");
        Require(float.IsFinite(RepetitionPenalty) && RepetitionPenalty > 0, "repetition-penalty", "greater than 0 (1 changes nothing)");
        Require(NoRepeatNgramSize >= 0, "no-repeat-ngram-size", "at least 0 (0 allows every n-gram)");
        Require(NumBeams >= 1, "num-beams", "at least 1");
        Require(NumReturnSequences >= 1 && NumReturnSequences <= NumBeams, "num-return-sequences", "between 1 and num-beams");
        Require(float.IsFinite(LengthPenalty), "length-penalty", "a finite number");
        Require(NumBeams == 1 || (Temperature == 1 && TopK == 0 && TopP == 1), "num-beams", "1 with a temperature, top-k or top-p: a beam search does not sample");
        Require(NumBeams == 1 || Policy == DecodingPolicy.Policy, "num-beams", "1 under a KL mask: a masked policy is sampled");
        Require(float.IsFinite(Tolerance) && Tolerance >= 0, "tolerance", "at least 0");
        Require(MassFloor is >= 0 and < 1, "mass-floor", "at least 0 and below 1");
        Require(MaskTopP is > 0 and <= 1, "mask-top-p", "greater than 0 and at most 1 (1 masks nothing)");
        Require(MaskMinTokens >= 1, "mask-min-tokens", "at least 1");
        Require(MaskTopP == 1 || Policy == DecodingPolicy.Policy, "mask-top-p", "1 under a KL mask: one mask at a time");
        return this;
    }
}
