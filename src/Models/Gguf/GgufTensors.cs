using System.Text.Json.Nodes;
using DfPO.Models.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Gguf;

/// <summary>The weights of a GGUF file under HF's names and in HF's order, quantised ones as float32.</summary>
public sealed class GgufTensors : ITensorFile
{
    /// <summary>The tensor of factors that the frequencies of the rotation are divided by.</summary>
    internal const string FactorsName = "rope_freqs.weight";

    // Elements that are read and unpacked at once.
    private const long Portion = 1 << 22;
    private readonly GgufFile _file;
    private readonly GgufFamily _family;
    private readonly JsonObject _config;
    private readonly Dictionary<string, GgufTensor> _tensors = [];

    private GgufTensors(GgufFile file, GgufFamily family, JsonObject config) => (_file, _family, _config) = (file, family, config);

    /// <inheritdoc/>
    public string Path => _file.Path;

    /// <inheritdoc/>
    public IEnumerable<string> Names => _tensors.Keys;

    /// <summary>Opens a file.</summary>
    /// <exception cref="DfpoException">As <see cref="GgufFile.Read"/>, and <c>checkpoint/unknown-tensor</c> for one that its architecture
    /// does not have.</exception>
    public static GgufTensors Open(string path)
    {
        var file = GgufFile.Read(path);
        var family = GgufFamilies.Of(file);
        var opened = new GgufTensors(file, family, GgufConfig.Read(file, family));
        foreach (var tensor in file.Tensors.Values.Where(tensor => !family.HasFrequencyFactors || tensor.Name != FactorsName))
        {
            var name = family.ModelName(tensor.Name)
                ?? throw new DfpoException(
                    "checkpoint/unknown-tensor",
                    $"'{path}' holds tensor '{tensor.Name}', which the architecture '{family.Architecture}' is not known to have. Take the checkpoint's own folder, with safetensors."
                );
            opened._tensors.Add(name, tensor);
        }
        return opened;
    }

    /// <inheritdoc/>
    public TensorEntry Entry(string name) =>
        Find(name) is var tensor && tensor.Shape.Length == 2 && _family.IsTransposed(tensor.Name)
            ? new TensorEntry(name, Dtype(tensor.Type), [tensor.Shape[1], tensor.Shape[0]])
            : new TensorEntry(name, Dtype(tensor.Type), tensor.Shape);

    /// <inheritdoc/>
    public Tensor Get(string name)
    {
        var tensor = Find(name);
        using var scope = NewDisposeScope();
        var values = Read(Path, tensor);
        var heads = Heads(name, _family, _config);
        if (heads > 0 && tensor.Shape[0] % (heads * (_family.SeparatesFused ? 3 : 2)) != 0)
            throw new DfpoException(
                "checkpoint/shape",
                $"'{Path}': tensor '{tensor.Name}' has {tensor.Shape[0]} rows, which {heads} heads cannot share."
            );
        if (heads > 0)
            values = _family.SeparatesFused ? RowOrder.ToHeads(values, heads) : RowOrder.ToHalves(values, heads);
        if (tensor.Shape.Length == 2 && _family.IsTransposed(tensor.Name))
            values = values.t().contiguous();
        return values.MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose() { }

    /// <summary>What the frequencies of the pairs of channels are divided by; null where the file does not say.</summary>
    internal static float[]? FrequencyFactors(GgufFile file)
    {
        if (file.Tensors.GetValueOrDefault(FactorsName) is not { } tensor)
            return null;
        using var values = Read(file.Path, tensor);
        using var floats = values.to(ScalarType.Float32);
        return floats.data<float>().ToArray();
    }

    private static Tensor Read(string path, GgufTensor tensor)
    {
        using var stream = File.OpenRead(path);
        stream.Position = tensor.Offset;
        var dtype = Dtypes.Parse(Dtype(tensor.Type));
        var values = empty(tensor.Shape, dtype);
        if (tensor.Type is GgmlType.F32 or GgmlType.F16 or GgmlType.BF16)
        {
            stream.ReadExactly(values.bytes);
            return values;
        }
        var (elements, bytes) = tensor.Type.Block();
        var packed = new byte[Math.Min(tensor.Count, Portion) / elements * bytes];
        using var flat = values.view(-1);
        for (long start = 0; start < tensor.Count; start += Portion)
        {
            var count = Math.Min(Portion, tensor.Count - start);
            var read = packed.AsSpan(0, (int)(count / elements * bytes));
            stream.ReadExactly(read);
            using var part = flat.narrow(0, start, count);
            GgmlBlocks.Decode(tensor.Type, read, System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(part.bytes));
        }
        return values;
    }

    /// <summary>Heads whose rows are in llama.cpp's order; 0 for a tensor that has none.</summary>
    internal static long Heads(string name, GgufFamily family, JsonObject config)
    {
        if (!family.Interleaves && !family.SeparatesFused)
            return 0;
        var part = name[..name.LastIndexOf('.')];
        return part.EndsWith(".q_proj", StringComparison.Ordinal) || part.EndsWith(".query_key_value", StringComparison.Ordinal)
                ? (int)config["num_attention_heads"]!
            : part.EndsWith(".k_proj", StringComparison.Ordinal) ? (int)config["num_key_value_heads"]!
            : 0;
    }

    private GgufTensor Find(string name) =>
        _tensors.TryGetValue(name, out var tensor)
            ? tensor
            : throw new DfpoException("checkpoint/missing-tensor", $"'{Path}' holds no tensor '{name}'.");

    private static string Dtype(GgmlType type) =>
        type switch
        {
            GgmlType.F16 => "F16",
            GgmlType.BF16 => "BF16",
            _ => "F32",
        };
}
