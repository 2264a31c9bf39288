using DfPO.Models.Gguf;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Tests.Gguf;

/// <summary>Every block type against ggml's own function, on random bytes.</summary>
public sealed class GgmlBlockTests : IDisposable
{
    private const int Rows = 6;
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(GgmlType.Q4_0, 0)]
    [InlineData(GgmlType.Q4_1, 0, 2)]
    [InlineData(GgmlType.Q5_0, 0)]
    [InlineData(GgmlType.Q5_1, 0, 2)]
    [InlineData(GgmlType.Q8_0, 0)]
    [InlineData(GgmlType.Q2_K, 80, 82)]
    [InlineData(GgmlType.Q3_K, 108)]
    [InlineData(GgmlType.Q4_K, 0, 2)]
    [InlineData(GgmlType.Q5_K, 0, 2)]
    [InlineData(GgmlType.Q6_K, 208)]
    public void BlocksAreTheNumbersThatGgmlMakesOfThem(GgmlType type, params int[] scales)
    {
        const int width = 512;
        var (elements, bytes) = type.Block();
        var data = new byte[width * Rows / elements * bytes];
        var random = new Random((int)type);
        random.NextBytes(data);
        for (var block = 0; block < data.Length; block += bytes)
            foreach (var scale in scales)
                BitConverter.GetBytes((Half)(random.NextDouble() - 0.5)).CopyTo(data, block + scale);
        var path = _folder["blocks.gguf"];
        var file = GgufBytes.Llama(width, Rows).Tensor("token_embd.weight", (uint)type, data, width, Rows);
        File.WriteAllBytes(path, file.ToArray());

        using var scope = NewDisposeScope();
        using var tensors = GgufTensors.Open(path);
        var values = tensors.Get("model.embed_tokens.weight");

        Assert.Equal([Rows, width], values.shape);
        var expected = LlamaCpp.Dequantise(
            type.ToString().ToLowerInvariant().Replace("_k", "_K", StringComparison.Ordinal),
            data,
            width * Rows
        );
        Assert.Equal(expected, values.data<float>().ToArray());
    }
}
