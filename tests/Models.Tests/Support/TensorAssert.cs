using System.Text.Json;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Tests.Support;

/// <summary>Tensors from fixtures, and their comparison.</summary>
internal static class TensorAssert
{
    /// <summary>A nested JSON array of numbers.</summary>
    public static Tensor Tensor(this JsonElement json, string field, ScalarType dtype = ScalarType.Float32) =>
        json.GetProperty(field).Tensor(dtype);

    /// <summary>The same of the array itself.</summary>
    public static Tensor Tensor(this JsonElement level, ScalarType dtype = ScalarType.Float32)
    {
        var shape = new List<long>();
        var values = new List<double>();
        Flatten(level, values);
        for (; level.ValueKind == JsonValueKind.Array; level = level[0])
            shape.Add(level.GetArrayLength());
        return tensor(values.ToArray(), ScalarType.Float64).view([.. shape]).to(dtype);
    }

    public static Tensor Ids(this JsonElement json, string field) => json.Tensor(field, ScalarType.Int64);

    /// <summary>
    /// Same shape, and no element further away than <paramref name="tolerance"/> where <paramref name="valid"/> is not 0.
    /// </summary>
    public static void Close(Tensor expected, Tensor actual, double tolerance, Tensor? valid = null)
    {
        using var scope = NewDisposeScope();
        Assert.Equal(expected.shape, actual.shape);
        var difference = (expected.to(ScalarType.Float64) - actual.detach().cpu().to(ScalarType.Float64)).abs();
        if (valid is not null)
        {
            Assert.True(valid.sum().to(ScalarType.Float64).item<double>() > 0);
            difference = difference.masked_select(
                valid
                    .to(ScalarType.Bool)
                    .view([.. valid.shape, .. Enumerable.Repeat(1L, (int)(expected.dim() - valid.dim()))])
                    .expand(expected.shape)
            );
        }
        var worst = difference.max().item<double>();
        Assert.True(worst <= tolerance, $"Largest difference {worst:g4} is over {tolerance:g2}."); // also false for NaN
    }

    public static void Same(Tensor expected, Tensor actual)
    {
        Assert.Equal(expected.shape, actual.shape);
        Assert.Equal(expected.dtype, actual.dtype);
        Assert.Equal(expected.contiguous().bytes.ToArray(), actual.contiguous().bytes.ToArray());
    }

    private static void Flatten(JsonElement json, List<double> into)
    {
        if (json.ValueKind == JsonValueKind.Array)
            foreach (var element in json.EnumerateArray())
                Flatten(element, into);
        else
            into.Add(json.GetDouble());
    }
}
