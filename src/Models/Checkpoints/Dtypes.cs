using static TorchSharp.torch;

namespace DfPO.Models.Checkpoints;

/// <summary>Safetensors dtype names against torch's.</summary>
public static class Dtypes
{
    private static readonly (string Name, ScalarType Type, string Torch)[] s_table =
    [
        ("F64", ScalarType.Float64, "float64"),
        ("F32", ScalarType.Float32, "float32"),
        ("F16", ScalarType.Float16, "float16"),
        ("BF16", ScalarType.BFloat16, "bfloat16"),
        ("I64", ScalarType.Int64, "int64"),
        ("I32", ScalarType.Int32, "int32"),
        ("I16", ScalarType.Int16, "int16"),
        ("I8", ScalarType.Int8, "int8"),
        ("U8", ScalarType.Byte, "uint8"),
        ("BOOL", ScalarType.Bool, "bool"),
    ];

    /// <summary>The torch type of a safetensors dtype that <see cref="SafetensorsHeader"/> has accepted.</summary>
    public static ScalarType Parse(string name) => s_table.First(row => row.Name == name).Type;

    /// <summary>The safetensors name of a torch type.</summary>
    public static string Name(ScalarType type) => s_table.First(row => row.Type == type).Name;

    /// <summary>The name that PyTorch and HF's <c>torch_dtype</c> use.</summary>
    public static string TorchName(ScalarType type) => s_table.First(row => row.Type == type).Torch;
}
