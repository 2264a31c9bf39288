using DfPO.Models.Layers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Models.T5;

/// <summary>The encoder or the decoder: blocks and the final norm. The embedding is the model's.</summary>
internal sealed class T5Stack : nn.Module
{
    private readonly T5Config _config;
    private readonly bool _isDecoder;
    private readonly ComputePrecision _precision;
    private readonly ModuleList<T5Block> block;
    private readonly RmsNorm final_layer_norm;

    public T5Stack(T5Config config, bool isDecoder, ComputePrecision precision, Device device, ScalarType dtype)
        : base(nameof(T5Stack))
    {
        (_config, _isDecoder, _precision) = (config, isDecoder, precision);
        var layers = isDecoder ? config.NumDecoderLayers : config.NumLayers;
        block = nn.ModuleList([
            .. Enumerable.Range(0, layers).Select(index => new T5Block(config, index, isDecoder, precision, device, dtype)),
        ]);
        final_layer_norm = new RmsNorm(config.DModel, config.LayerNormEpsilon, device, dtype);
        RegisterComponents();
    }

    public IEnumerable<T5Block> Blocks => block;

    /// <summary>
    /// Biases of relative positions <c>[1, heads, queries, keys]</c>; query i stands at place <paramref name="past"/> + i.
    /// </summary>
    public Tensor PositionBias(long queries, long keys, long past = 0)
    {
        using var weight = block[0].SelfAttention.relative_attention_bias!.weight!;
        return RelativePositions.Bias(weight, bidirectional: !_isDecoder, _config.RelativeAttentionMaxDistance, queries, keys, past);
    }

    /// <param name="embedded"><c>[batch, time, width]</c>.</param>
    /// <param name="bias">Positions and masks of self-attention.</param>
    /// <param name="memory">The encoder's, for a decoder.</param>
    /// <param name="cache">A decoder's, if any.</param>
    public Tensor Forward(Tensor embedded, Tensor bias, EncoderMemory? memory, KeyValueCache? cache)
    {
        using var scope = NewDisposeScope();
        var hidden = embedded;
        foreach (var (index, each) in block.Index())
            hidden = Recomputation.Run(
                _precision,
                x => each.Forward(x[0]!, x[1]!, x[2], x[3], x[4], cache),
                hidden,
                bias,
                memory?.Keys(index),
                memory?.Values(index),
                memory?.Mask
            );
        return final_layer_norm.call(hidden).MoveToOuterDisposeScope();
    }
}

/// <summary>A block: self-attention, in a decoder cross-attention, feed-forward.</summary>
internal sealed class T5Block : nn.Module
{
    private readonly ModuleList<nn.Module> layer;
    private readonly int _index;

    public T5Block(T5Config config, int index, bool isDecoder, ComputePrecision precision, Device device, ScalarType dtype)
        : base(nameof(T5Block))
    {
        _index = index;
        var self = new T5SelfAttentionLayer(config, hasPositions: index == 0, precision, device, dtype);
        var feed = new T5FeedForwardLayer(config, precision, device, dtype);
        layer = isDecoder
            ? nn.ModuleList<nn.Module>(self, new T5CrossAttentionLayer(config, precision, device, dtype), feed)
            : nn.ModuleList<nn.Module>(self, feed);
        RegisterComponents();
    }

    public T5Attention SelfAttention => Self.SelfAttention;

    /// <summary>A decoder block's attention over the encoder's output.</summary>
    public T5Attention CrossAttention => Cross.EncDecAttention;

    private T5SelfAttentionLayer Self => (T5SelfAttentionLayer)layer[0];

    private T5CrossAttentionLayer Cross => (T5CrossAttentionLayer)layer[1];

    /// <param name="input">Hidden states <c>[batch, time, width]</c>.</param>
    /// <param name="bias">Positions and masks of self-attention.</param>
    /// <param name="keys">The encoder's, for a decoder.</param>
    /// <param name="values">The encoder's, for a decoder.</param>
    /// <param name="mask">Of the encoder's padding.</param>
    /// <param name="cache">A decoder's, if any.</param>
    public Tensor Forward(Tensor input, Tensor bias, Tensor? keys, Tensor? values, Tensor? mask, KeyValueCache? cache)
    {
        using var scope = NewDisposeScope();
        var hidden = Self.Forward(input, bias, _index, cache);
        if (keys is not null)
            hidden = Cross.Forward(hidden, keys, values!, mask);
        return ((T5FeedForwardLayer)layer[^1]).Forward(hidden).MoveToOuterDisposeScope();
    }
}
