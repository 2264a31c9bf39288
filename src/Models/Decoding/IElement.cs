using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace DfPO.Models.Decoding;

/// <summary>Sixteen values at a time between memory in a storage format and registers in float32.</summary>
internal unsafe interface IElement<T>
    where T : unmanaged
{
    static abstract Vector512<float> Load(T* source);

    static abstract void Store(T* target, Vector512<float> values);
}

/// <summary>float32 as it is.</summary>
internal readonly unsafe struct Float32Element : IElement<float>
{
    public static Vector512<float> Load(float* source) => Vector512.Load(source);

    public static void Store(float* target, Vector512<float> values) => values.Store(target);
}

/// <summary>bfloat16: the upper half of a float32, rounded to nearest even.</summary>
internal readonly unsafe struct BFloat16Element : IElement<ushort>
{
    public static Vector512<float> Load(ushort* source)
    {
        var halves = Vector256.Load(source);
        var bits = Avx512F.IsSupported
            ? Avx512F.ConvertToVector512UInt32(halves)
            : Vector512.Create(Vector256.WidenLower(halves), Vector256.WidenUpper(halves));
        return (bits << 16).AsSingle();
    }

    public static void Store(ushort* target, Vector512<float> values)
    {
        var bits = values.AsUInt32();
        var rounded = (bits + Vector512.Create(0x7FFFu) + ((bits >> 16) & Vector512.Create(1u))) >> 16;
        var halves = Avx512F.IsSupported
            ? Avx512F.ConvertToVector256UInt16(rounded)
            : Vector256.Narrow(rounded.GetLower(), rounded.GetUpper());
        halves.Store(target);
    }
}
