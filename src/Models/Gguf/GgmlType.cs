namespace DfPO.Models.Gguf;

/// <summary>Element types of GGUF's tensors, by their numbers in the file.</summary>
public enum GgmlType
{
    /// <summary>float32.</summary>
    F32 = 0,

    /// <summary>float16.</summary>
    F16 = 1,

    /// <summary>Blocks of 32: a scale and 4 bits each.</summary>
    Q4_0 = 2,

    /// <summary>Blocks of 32: a scale, a minimum and 4 bits each.</summary>
    Q4_1 = 3,

    /// <summary>Blocks of 32: a scale and 5 bits each.</summary>
    Q5_0 = 6,

    /// <summary>Blocks of 32: a scale, a minimum and 5 bits each.</summary>
    Q5_1 = 7,

    /// <summary>Blocks of 32: a scale and 8 bits each.</summary>
    Q8_0 = 8,

    /// <summary>Super-blocks of 256: 2 bits each.</summary>
    Q2_K = 10,

    /// <summary>Super-blocks of 256: 3 bits each.</summary>
    Q3_K = 11,

    /// <summary>Super-blocks of 256: 4 bits each.</summary>
    Q4_K = 12,

    /// <summary>Super-blocks of 256: 5 bits each.</summary>
    Q5_K = 13,

    /// <summary>Super-blocks of 256: 6 bits each.</summary>
    Q6_K = 14,

    /// <summary>bfloat16.</summary>
    BF16 = 30,
}

/// <summary>Sizes of element types.</summary>
public static class GgmlTypes
{
    /// <summary>Elements and bytes of a block; one element where there are no blocks.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A type that is not read here.</exception>
    public static (int Elements, int Bytes) Block(this GgmlType type) =>
        type switch
        {
            GgmlType.F32 => (1, 4),
            GgmlType.F16 or GgmlType.BF16 => (1, 2),
            GgmlType.Q4_0 => (32, 18),
            GgmlType.Q4_1 => (32, 20),
            GgmlType.Q5_0 => (32, 22),
            GgmlType.Q5_1 => (32, 24),
            GgmlType.Q8_0 => (32, 34),
            GgmlType.Q2_K => (256, 84),
            GgmlType.Q3_K => (256, 110),
            GgmlType.Q4_K => (256, 144),
            GgmlType.Q5_K => (256, 176),
            GgmlType.Q6_K => (256, 210),
            _ => throw new ArgumentOutOfRangeException(nameof(type)),
        };
}
