using DfPO.Models.Layers;
using static TorchSharp.torch;

namespace DfPO.Models.Decoding;

/// <summary>
/// Copies of a model's linear weights, as they were when this was made, laid out for products of few rows on a CPU. While <see cref="Use"/>
/// is open on a thread, the layers take them in place of their own; adapters beside the layers are added as ever.
/// </summary>
internal sealed class PackedWeights : IDisposable
{
    [ThreadStatic]
    private static Dictionary<nn.Module, PackedColumns>? t_inUse;

    private readonly Dictionary<string, PackedColumns> _byPath = new(StringComparer.Ordinal);

    /// <param name="model">Its <see cref="AutocastLinear"/> layers are packed, and the embedding where it is the head as well.</param>
    /// <param name="tiedHead">Path of that embedding; null where the head is a layer of its own.</param>
    /// <param name="dtype">Dtype of the products.</param>
    public PackedWeights(nn.Module model, string? tiedHead, ScalarType dtype)
    {
        using var _ = no_grad();
        foreach (var (path, module) in model.named_modules())
        {
            if (module is AutocastLinear linear)
                _byPath[path] = new PackedColumns(linear.weight, linear.bias, dtype);
            else if (path == tiedHead)
            {
                using var table = ((TorchSharp.Modules.Embedding)module).weight!;
                _byPath[path] = new PackedColumns(table, null, dtype);
            }
        }
    }

    /// <summary>The layers of a model of the same shape, each with its packed weight.</summary>
    public Dictionary<nn.Module, PackedColumns> For(nn.Module model) =>
        model
            .named_modules()
            .Where(named => _byPath.ContainsKey(named.name))
            .ToDictionary(named => named.module, named => _byPath[named.name]);

    /// <summary>The packed weight of a layer in use on this thread; null when there is none.</summary>
    public static PackedColumns? Of(nn.Module layer) => t_inUse?.GetValueOrDefault(layer);

    /// <summary>Puts packed weights to use on this thread until the end of the scope.</summary>
    public static Scope Use(Dictionary<nn.Module, PackedColumns>? layers)
    {
        t_inUse = layers;
        return default;
    }

    public void Dispose()
    {
        foreach (var columns in _byPath.Values)
            columns.Dispose();
    }

    /// <summary>See <see cref="Use"/>.</summary>
    internal readonly struct Scope : IDisposable
    {
        public void Dispose() => t_inUse = null;
    }
}

/// <summary>A packed weight, in parts of its columns where it has many.</summary>
internal sealed class PackedColumns : IDisposable
{
    // oneDNN is twice as fast on several products of this width as on one of 50257 columns.
    private const long Part = 3072;
    private const long Many = 4 * Part;

    private readonly PackedLinear[] _parts;

    /// <param name="weight"><c>[out, in]</c>; copied.</param>
    /// <param name="bias"><c>[out]</c>, or null; copied.</param>
    /// <param name="dtype">Dtype of the product.</param>
    public PackedColumns(Tensor weight, Tensor? bias, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var width = weight.size(0) > Many ? Part : weight.size(0);
        var biases = bias?.split(width);
        _parts = [.. weight.split(width).Select((part, i) => new PackedLinear(part, biases?[i], dtype))];
    }

    /// <summary><c>x W^T + b</c> for <c>[..., in]</c>.</summary>
    public Tensor Forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var rows = input.reshape(-1, input.size(-1)).contiguous();
        var product = _parts is [var only] ? only.Forward(rows) : cat([.. _parts.Select(part => part.Forward(rows))], 1);
        return (input.dim() == 2 ? product : product.view([.. input.shape[..^1], product.size(1)])).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        foreach (var part in _parts)
            part.Dispose();
    }
}
