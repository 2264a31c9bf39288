namespace DfPO.Models.Layers;

/// <summary>How rotary frequencies are stretched beyond the context of pre-training; this one not at all.</summary>
/// <remarks>Rules as in HF's <c>modeling_rope_utils</c>, in its float32 arithmetic.</remarks>
internal record RopeScaling
{
    public static readonly RopeScaling None = new();

    /// <summary>Factor of cosines and sines, and so squared of the scores.</summary>
    public virtual double AttentionFactor => 1;

    /// <summary>Longest sequence that the stretching is for; 0 where it sets none.</summary>
    public virtual long Reach => 0;

    /// <summary>Longest sequence whose frequencies do not depend on its length.</summary>
    public virtual long FixedUpTo => long.MaxValue;

    /// <summary>Angle of each pair at position 1.</summary>
    /// <param name="dimensions">Channels that turn, even.</param>
    /// <param name="theta">Base.</param>
    /// <param name="length">Tokens of the sequence.</param>
    public virtual float[] Frequencies(int dimensions, double theta, long length) => RotaryEmbedding.Frequencies(dimensions, theta);

    /// <summary>Whether a sequence of so many tokens turns its first tokens otherwise than one of so many more.</summary>
    public virtual bool Changes(long from, long to) => false;
}

/// <summary>All frequencies divided by a factor.</summary>
internal sealed record LinearScaling(double Factor, int Original) : RopeScaling
{
    public override long Reach => (long)(Original * Factor);

    public override float[] Frequencies(int dimensions, double theta, long length) =>
        Array.ConvertAll(base.Frequencies(dimensions, theta, length), frequency => frequency / (float)Factor);
}

/// <summary>A base that grows with the sequence once it is longer than the context of pre-training (NTK-aware).</summary>
internal sealed record DynamicScaling(double Factor, int Original) : RopeScaling
{
    public override long Reach => (long)(Original * Factor);

    public override long FixedUpTo => Original;

    public override float[] Frequencies(int dimensions, double theta, long length) =>
        length <= Original
            ? base.Frequencies(dimensions, theta, length)
            : base.Frequencies(
                dimensions,
                theta * Math.Pow((Factor * length / Original) - (Factor - 1), dimensions / (dimensions - 2.0)),
                length
            );

    public override bool Changes(long from, long to) => to > Original && to != from;
}

/// <summary>Slow frequencies are divided by a factor, fast ones stay, those between are blended along the channels.</summary>
/// <remarks>Source: Peng et al. 2023, "YaRN".</remarks>
internal sealed record YarnScaling(double Factor, int Original, double BetaFast, double BetaSlow, bool Truncate, double Attention)
    : RopeScaling
{
    public override double AttentionFactor => Attention;

    public override long Reach => (long)(Original * Factor);

    public override float[] Frequencies(int dimensions, double theta, long length)
    {
        // The channel that turns so often within the context.
        double Channel(double turns) => dimensions * Math.Log(Original / (turns * 2 * Math.PI)) / (2 * Math.Log(theta));
        var (low, high) = (Channel(BetaFast), Channel(BetaSlow));
        if (Truncate)
            (low, high) = (Math.Floor(low), Math.Ceiling(high));
        (low, high) = (Math.Max(low, 0), Math.Min(high, dimensions - 1));
        if (low == high)
            high += 0.001;
        return
        [
            .. base.Frequencies(dimensions, theta, length)
                .Select(
                    (frequency, pair) =>
                    {
                        var kept = 1 - Math.Clamp((pair - (float)low) / (float)(high - low), 0, 1);
                        return (frequency / (float)Factor * (1 - kept)) + (frequency * kept);
                    }
                ),
        ];
    }

    /// <summary>The logarithmic factor of the paper.</summary>
    public static double Magnitude(double factor, double scale = 1) => factor <= 1 ? 1 : (0.1 * scale * Math.Log(factor)) + 1;
}

/// <summary>Llama 3: frequencies of few periods a context are divided by a factor, those of many stay, those between are blended.</summary>
internal sealed record Llama3Scaling(double Factor, double LowFrequencyFactor, double HighFrequencyFactor, int Original) : RopeScaling
{
    public override long Reach => (long)(Original * Factor);

    public override float[] Frequencies(int dimensions, double theta, long length) =>
        Array.ConvertAll(base.Frequencies(dimensions, theta, length), Stretched);

    /// <summary>One frequency, stretched.</summary>
    public float Stretched(float frequency)
    {
        var periods = Original * (double)frequency / (2 * Math.PI);
        var fast = Math.Clamp((periods - LowFrequencyFactor) / (HighFrequencyFactor - LowFrequencyFactor), 0, 1);
        return (float)(((1 - fast) * frequency / Factor) + (fast * frequency));
    }
}

/// <summary>A factor for each pair, with other ones for sequences longer than the context of pre-training.</summary>
/// <remarks>Source: Ding et al. 2024, "LongRoPE".</remarks>
internal sealed record LongRopeScaling(float[] Short, float[] Long, int Original, double Attention) : RopeScaling
{
    public override double AttentionFactor => Attention;

    public override long FixedUpTo => Original;

    public override float[] Frequencies(int dimensions, double theta, long length)
    {
        var factors = length > Original ? Long : Short;
        return
        [
            .. Enumerable
                .Range(0, dimensions / 2)
                .Select(pair => 1 / (factors[pair] * MathF.Pow((float)theta, 2 * pair / (float)dimensions))),
        ];
    }

    public override bool Changes(long from, long to) => from <= Original != to <= Original;
}
