using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Rollout.Sampling;

/// <summary>
/// Reads rows of a logits tensor <c>[rows, vocabulary]</c> as float32, whatever its dtype and device. Valid while the tensor is.
/// </summary>
internal sealed class LogitRows : IDisposable
{
    private readonly Tensor _owned;
    private readonly int _vocabulary;
    private readonly bool _isBFloat16;

    public LogitRows(Tensor logits)
    {
        _vocabulary = (int)logits.size(1);
        _isBFloat16 = logits.dtype == ScalarType.BFloat16;
        using var scope = NewDisposeScope();
        var local = logits.cpu();
        _owned = (_isBFloat16 ? local : local.to(ScalarType.Float32)).contiguous().alias().DetachFromDisposeScope();
    }

    /// <summary>A row; <paramref name="scratch"/>, one vocabulary long, receives it where it must be converted.</summary>
    public ReadOnlySpan<float> Row(int row, float[] scratch)
    {
        var bytes = _owned.bytes;
        if (!_isBFloat16)
            return MemoryMarshal.Cast<byte, float>(bytes).Slice(row * _vocabulary, _vocabulary);
        Widen(MemoryMarshal.Cast<byte, ushort>(bytes).Slice(row * _vocabulary, _vocabulary), scratch);
        return scratch;
    }

    /// <inheritdoc/>
    public void Dispose() => _owned.Dispose();

    /// <summary>A bfloat16 is the upper half of a float32.</summary>
    private static void Widen(ReadOnlySpan<ushort> halves, Span<float> floats)
    {
        var i = 0;
        for (; i + Vector256<ushort>.Count <= halves.Length; i += Vector256<ushort>.Count)
        {
            var (lower, upper) = Vector256.Widen(Vector256.LoadUnsafe(in halves[i]));
            (Vector512.Create(lower, upper) << 16).AsSingle().StoreUnsafe(ref floats[i]);
        }
        for (; i < halves.Length; i++)
            floats[i] = BitConverter.UInt32BitsToSingle((uint)halves[i] << 16);
    }
}
