using System.Collections.Immutable;
using System.Diagnostics;
using System.Security.Cryptography;
using DfPO.Models;
using DfPO.Models.Checkpoints;
using DfPO.Models.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Actors.Weights;

/// <summary>The weight versions that this process serves: the newest ones, so that a worker in mid-fetch is not cut off.</summary>
/// <remarks>Written by the learner's thread and read by the web server's.</remarks>
/// <param name="kept">How many; at least 2.</param>
public sealed class WeightsStore(int kept = 2)
{
    private ImmutableList<(string Digest, byte[] Bytes)> _versions = [];

    /// <summary>Base address of the bulk channel, once it listens: <c>http://host:port</c>.</summary>
    public string BaseUrl { get; set; } = "";

    /// <summary>Serialises a model's parameters and serves them.</summary>
    /// <param name="model">The policy.</param>
    /// <param name="version">Finished iterations.</param>
    /// <param name="dtype">Dtype on the wire, which is the one that generation runs in: the weights that serve are the weights that are named.</param>
    /// <param name="parent">Span that the publication belongs to.</param>
    /// <exception cref="DfpoException"><c>weights/too-large</c>: more than 2 GB.</exception>
    public WeightsRef Publish(nn.Module model, int version, ScalarType dtype, ActivityContext parent = default)
    {
        using var activity = DfpoTelemetry.Source.StartActivity(DfpoTelemetry.Spans.Publish, ActivityKind.Producer, parent);
        var bytes = Serialise(model, dtype);
        var digest = Convert.ToHexStringLower(SHA256.HashData(bytes));
        if (!_versions.Any(v => v.Digest == digest))
            _versions = _versions.Add((digest, bytes)).RemoveRange(0, Math.Max(0, _versions.Count + 1 - kept));
        activity?.SetTag(DfpoTelemetry.Tags.WeightsVersion, version).SetTag(DfpoTelemetry.Tags.Bytes, bytes.Length);
        return new WeightsRef(version, digest, bytes.Length, $"{BaseUrl}{WeightsEndpoints.WeightsPath}/{digest}");
    }

    /// <summary>The bytes of a digest, or null when no longer served.</summary>
    public byte[]? Find(string digest) => _versions.FirstOrDefault(v => v.Digest == digest).Bytes;

    /// <summary>SHA-256 of a model's float32 parameters, lower-case hexadecimal: what two runs compare.</summary>
    public static string Digest(nn.Module model) => Convert.ToHexStringLower(SHA256.HashData(Serialise(model, ScalarType.Float32)));

    private static byte[] Serialise(nn.Module model, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var tensors = model.named_parameters().ToDictionary(p => p.name, p => p.parameter.to(dtype));
        var bytes = tensors.Values.Sum(t => t.numel() * t.ElementSize);
        if (bytes > Array.MaxLength - (1 << 24))
            throw new DfpoException("weights/too-large", $"The policy has {bytes} bytes of weights; the weight channel carries at most 2 GB. Choose 'model.dtype = bfloat16' or a smaller model.");
        using var stream = new MemoryStream((int)bytes + (1 << 16));
        SafetensorsWriter.Write(stream, tensors);
        return stream.ToArray();
    }
}
