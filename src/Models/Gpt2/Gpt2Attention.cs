using DfPO.Models.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Gpt2;

/// <summary>Causal multi-head self-attention with a fused query-key-value projection.</summary>
internal sealed class Gpt2Attention : nn.Module
{
    public readonly Conv1D c_attn;
    public readonly Conv1D c_proj;
    private readonly int _layer;
    private readonly long _heads;
    private readonly long _width;
    private readonly ScaledAttention _attention;

    public Gpt2Attention(Gpt2Config config, int layer, ComputePrecision precision, Device device, ScalarType dtype)
        : base(nameof(Gpt2Attention))
    {
        (_layer, _heads, _width) = (layer, config.NHead, config.NEmbd);
        var scale = (config.ScaleAttnWeights ? 1 / Math.Sqrt(config.HeadSize) : 1) / (config.ScaleAttnByInverseLayerIdx ? layer + 1 : 1);
        _attention = new ScaledAttention(scale, config.HeadSize, precision);
        c_attn = new Conv1D(config.NEmbd, 3 * config.NEmbd, precision, device, dtype);
        c_proj = new Conv1D(config.NEmbd, config.NEmbd, precision, device, dtype);
        RegisterComponents();
    }

    /// <summary>Factor of the scores.</summary>
    public double Scale => _attention.Scale;

    /// <param name="input"><c>[batch, time, width]</c>.</param>
    /// <param name="mask">Additive mask broadcastable to <c>[batch, heads, time, past + time]</c>; null means purely causal (or a single
    /// query that sees all).</param>
    /// <param name="cache">Appended to when given.</param>
    public Tensor Forward(Tensor input, Tensor? mask, KeyValueCache? cache)
    {
        using var scope = NewDisposeScope();
        long batch = input.size(0),
            time = input.size(1);
        var heads = c_attn.call(input).view(batch, time, 3, _heads, _width / _heads).permute(2, 0, 3, 1, 4).unbind(0);
        var (query, key, value) = (heads[0], heads[1], heads[2]);
        if (cache is not null)
            (key, value) = cache.Append(_layer, key, value);
        return c_proj.call(_attention.Run(query, key, value, mask, causal: true)).MoveToOuterDisposeScope();
    }
}
