using static TorchSharp.torch;

namespace DfPO.Models;

/// <summary>The input of one pass over whole sequences.</summary>
/// <param name="InputIds">Token ids whose hidden states are wanted, <c>[batch, time]</c>, int64, right-padded: the sequence of a
/// decoder-only model, or a decoder's.</param>
/// <param name="EncoderIds">An encoder's input <c>[batch, time]</c>, int64; null for a decoder-only model.</param>
/// <param name="EncoderMask">1 for its real tokens and 0 for padding; null when nothing is padded.</param>
/// <param name="Lengths">Tokens of each row of <paramref name="InputIds"/>, <c>[batch]</c>, int64; null when every row is as long as the
/// widest. Only models whose rotation depends on them look.</param>
public sealed record ModelInput(Tensor InputIds, Tensor? EncoderIds = null, Tensor? EncoderMask = null, Tensor? Lengths = null);

/// <summary>Token sequences of different length as one tensor, padded at their ends.</summary>
internal static class RightPadding
{
    /// <summary>Ids <c>[batch, longest]</c>, 0 at padding, and the mask of real tokens; null when nothing is padded.</summary>
    public static (Tensor Ids, Tensor? Mask) Of(IReadOnlyList<int[]> sequences, Device device)
    {
        var width = sequences.Max(sequence => sequence.Length);
        var (ids, mask) = (new long[sequences.Count * width], new long[sequences.Count * width]);
        for (var row = 0; row < sequences.Count; row++)
        {
            for (var t = 0; t < sequences[row].Length; t++)
                (ids[row * width + t], mask[row * width + t]) = (sequences[row][t], 1);
        }
        Tensor Shaped(long[] values) => tensor(values, [sequences.Count, width], device: device);
        return (Shaped(ids), sequences.All(sequence => sequence.Length == width) ? null : Shaped(mask));
    }
}
