using DfPO.Models.Checkpoints;
using static TorchSharp.torch;

namespace DfPO.Actors.Weights;

/// <summary>
/// A model's parameters as safetensors bytes, without ever holding them twice: one parameter after the other goes to a sink.
/// </summary>
internal sealed class WeightsSerializer
{
    /// <summary>Elements that one span covers; spans are limited to 2 GB, parameters are not.</summary>
    private const long Piece = 1 << 27;

    private readonly (string Name, Tensor Parameter)[] _parameters;
    private readonly ScalarType _dtype;
    private readonly byte[] _header;

    public WeightsSerializer(nn.Module model, ScalarType dtype)
    {
        _dtype = dtype;
        _parameters = [.. model.named_parameters().Select(p => (p.name, (Tensor)p.parameter)).OrderBy(p => p.name, StringComparer.Ordinal)];
        _header = SafetensorsWriter.Header([.. _parameters.Select(p => (p.Name, dtype, p.Parameter.shape))]);
        using var probe = empty(0, dtype);
        Length = _header.Length + _parameters.Sum(p => p.Parameter.numel()) * probe.ElementSize;
    }

    /// <summary>Receives the next bytes.</summary>
    public delegate void Sink(ReadOnlySpan<byte> bytes);

    /// <summary>Bytes of the whole.</summary>
    public long Length { get; }

    /// <summary>Writes everything in order.</summary>
    public void Write(Sink sink)
    {
        sink(_header);
        using var _ = no_grad();
        foreach (var (_, parameter) in _parameters)
        {
            using var scope = NewDisposeScope();
            var flat = parameter.detach().to(_dtype).cpu().contiguous().reshape(-1);
            for (long start = 0, count = flat.numel(); start < count; start += Piece)
                sink(flat.narrow(0, start, Math.Min(Piece, count - start)).bytes);
        }
    }
}
