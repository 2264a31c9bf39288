using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Decoding;

/// <summary>
/// A 64-bit digest of a model's weights at the speed of memory, to tell whether they have changed since copies were made of them. Not for
/// adversaries.
/// </summary>
internal static class WeightFingerprint
{
    private const ulong Odd = 0x9E3779B97F4A7C15;

    public static ulong Of(nn.Module model)
    {
        var digest = Odd;
        foreach (var parameter in model.parameters())
            digest = (ulong.RotateLeft(digest, 23) ^ Of(MemoryMarshal.Cast<byte, ulong>(Bytes(parameter)))) * Odd;
        return digest;
    }

    private static Span<byte> Bytes(Tensor parameter) => parameter.bytes;

    private static ulong Of(ReadOnlySpan<ulong> words)
    {
        var width = Vector512<ulong>.Count;
        Vector512<ulong> a = Vector512.Create(Odd),
            b = ~a,
            multiplier = Vector512.Create(Odd | 1);
        var i = 0;
        for (; i + 2 * width <= words.Length; i += 2 * width)
        {
            a = Mix(a, Vector512.LoadUnsafe(in words[i]));
            b = Mix(b, Vector512.LoadUnsafe(in words[i + width]));
        }
        var digest = (ulong)words.Length;
        for (; i < words.Length; i++)
            digest = (ulong.RotateLeft(digest, 29) ^ words[i]) * Odd;
        for (var lane = 0; lane < width; lane++)
            digest = (ulong.RotateLeft(digest, 29) ^ a[lane]) * Odd ^ b[lane];
        return digest;

        Vector512<ulong> Mix(Vector512<ulong> state, Vector512<ulong> data)
        {
            // The turn brings the highest bits, signs of weights, to where a product spreads them.
            var mixed = state ^ data;
            return ((mixed << 29) | (mixed >> 35)) * multiplier;
        }
    }
}
