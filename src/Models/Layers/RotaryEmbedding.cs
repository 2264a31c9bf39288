using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Layers;

/// <summary>Rotary position embedding: pairs of channels turned by an angle that grows with the position.</summary>
/// <param name="frequencies">Angle of each pair at position 1, radians.</param>
/// <param name="interleaved">Whether a pair is two neighbours (GPT-J), or a channel of the first half and its counterpart of the second (Llama).</param>
/// <remarks>Source: Su et al. 2021.</remarks>
internal sealed class RotaryEmbedding(float[] frequencies, bool interleaved)
{
    /// <summary><c>theta^(-2i/dimensions)</c> for the pairs of so many channels, in the float32 arithmetic of the originals.</summary>
    public static float[] Frequencies(int dimensions, double theta) =>
        [.. Enumerable.Range(0, dimensions / 2).Select(i => 1 / MathF.Pow((float)theta, 2 * i / (float)dimensions))];

    /// <summary>The turn at positions <c>[batch or 1, time]</c>; belongs to the caller's dispose scope.</summary>
    public Rotation At(Tensor positions)
    {
        using var scope = NewDisposeScope();
        var angles = positions.to(ScalarType.Float32).unsqueeze(1).unsqueeze(-1) * tensor(frequencies, device: positions.device);
        return new Rotation(angles.cos().MoveToOuterDisposeScope(), angles.sin().MoveToOuterDisposeScope(), 2 * frequencies.Length, interleaved);
    }
}

/// <summary>Cosines and sines <c>[batch or 1, 1, time, pairs]</c>, float32, of the first <paramref name="Dimensions"/> channels of every head.</summary>
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
