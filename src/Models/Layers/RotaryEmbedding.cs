using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Layers;

/// <summary>Which channels of a head turn with the position, and how fast.</summary>
/// <param name="Dimensions">First channels of every head that turn, even.</param>
/// <param name="Theta">Base of the frequencies.</param>
/// <param name="Scaling">How they are stretched.</param>
/// <param name="Interleaved">Whether a pair is two neighbours (GPT-J), or a channel of the first half and its counterpart of the second
/// (all others).</param>
internal sealed record RopeSpec(int Dimensions, double Theta, RopeScaling Scaling, bool Interleaved = false);

/// <summary>Rotary position embedding: pairs of channels turned by an angle that grows with the position.</summary>
/// <remarks>
/// Source: Su et al. 2021. Where the frequencies depend on a sequence's length (<see cref="DynamicScaling"/>,
/// <see cref="LongRopeScaling"/>), each row has those of its own length: a row gives what it gives alone. HF's transformers takes the
/// longest row's for the whole batch.
/// </remarks>
internal sealed class RotaryEmbedding(RopeSpec spec)
{
    private readonly float[] _fixed = spec.Scaling.Frequencies(spec.Dimensions, spec.Theta, 0);
    private readonly Scalar? _factor =
        Math.Abs(spec.Scaling.AttentionFactor - 1) < 1e-12 ? null : Arithmetic.Kept(spec.Scaling.AttentionFactor);

    /// <summary><c>theta^(-2i/dimensions)</c> for the pairs of so many channels, in the float32 arithmetic of the originals.</summary>
    public static float[] Frequencies(int dimensions, double theta) =>
        [.. Enumerable.Range(0, dimensions / 2).Select(i => 1 / MathF.Pow((float)theta, 2 * i / (float)dimensions))];

    /// <summary>The turn at positions <c>[batch or 1, time]</c>; belongs to the caller's dispose scope.</summary>
    /// <param name="positions">Positions, int64.</param>
    /// <param name="lengths">Tokens of each row, one for all or one a row; used where frequencies depend on them.</param>
    public Rotation At(Tensor positions, long[] lengths)
    {
        using var scope = NewDisposeScope();
        var angles = positions.to(ScalarType.Float32).unsqueeze(1).unsqueeze(-1) * Table(lengths, positions.device);
        var (cosine, sine) = (angles.cos(), angles.sin());
        if (_factor is not null)
            (cosine, sine) = (cosine.mul_(_factor), sine.mul_(_factor));
        return new Rotation(cosine.MoveToOuterDisposeScope(), sine.MoveToOuterDisposeScope(), spec.Dimensions, spec.Interleaved);
    }

    private Tensor Table(long[] lengths, Device device)
    {
        if (lengths.All(length => length <= spec.Scaling.FixedUpTo))
            return tensor(_fixed, device: device);
        var rows = lengths.SelectMany(length => spec.Scaling.Frequencies(spec.Dimensions, spec.Theta, length)).ToArray();
        return tensor(rows, [lengths.Length, 1, 1, _fixed.Length], device: device);
    }
}

/// <summary>
/// Cosines and sines <c>[batch or 1, 1, time, pairs]</c>, float32, of the first <paramref name="Dimensions"/> channels of every head.
/// </summary>
internal sealed record Rotation(Tensor Cosine, Tensor Sine, int Dimensions, bool Interleaved)
{
    /// <summary>Turns <c>[batch, heads, time, head size]</c>; channels beyond <see cref="Dimensions"/> stay as they are.</summary>
    public Tensor Apply(Tensor heads)
    {
        using var scope = NewDisposeScope();
        var size = heads.size(3);
        var turned = Turn((size == Dimensions ? heads : heads.narrow(3, 0, Dimensions)).to(ScalarType.Float32)).to(heads.dtype);
        return (size == Dimensions ? turned : cat([turned, heads.narrow(3, Dimensions, size - Dimensions)], 3)).MoveToOuterDisposeScope();
    }

    private Tensor Turn(Tensor x)
    {
        long pairs = Dimensions / 2;
        var halves = Interleaved ? x.unflatten(3, pairs, 2).unbind(4) : [x.narrow(3, 0, pairs), x.narrow(3, pairs, pairs)];
        Tensor[] turned = [halves[0] * Cosine - halves[1] * Sine, (halves[1] * Cosine).Plus(halves[0] * Sine)];
        return Interleaved ? stack(turned, 4).flatten(3) : cat(turned, 3);
    }
}
