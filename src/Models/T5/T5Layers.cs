using DfPO.Models.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.T5;

/// <summary>Self-attention with its norm and residual.</summary>
internal sealed class T5SelfAttentionLayer : nn.Module
{
    public readonly T5Attention SelfAttention;
    private readonly RmsNorm layer_norm;

    public T5SelfAttentionLayer(T5Config config, bool hasPositions, ComputePrecision precision, Device device, ScalarType dtype)
        : base(nameof(T5SelfAttentionLayer))
    {
        SelfAttention = new T5Attention(config, hasPositions, precision, device, dtype);
        layer_norm = new RmsNorm(config.DModel, config.LayerNormEpsilon, device, dtype);
        RegisterComponents();
    }

    public Tensor Forward(Tensor input, Tensor bias, int layer, KeyValueCache? cache)
    {
        using var scope = NewDisposeScope();
        var normed = layer_norm.call(input);
        var (keys, values) = SelfAttention.Project(normed);
        if (cache is not null)
            (keys, values) = cache.Append(layer, keys, values);
        return input.Plus(SelfAttention.Forward(normed, keys, values, bias)).MoveToOuterDisposeScope();
    }
}

/// <summary>Attention over the encoder's output with its norm and residual.</summary>
internal sealed class T5CrossAttentionLayer : nn.Module
{
    public readonly T5Attention EncDecAttention;
    private readonly RmsNorm layer_norm;

    public T5CrossAttentionLayer(T5Config config, ComputePrecision precision, Device device, ScalarType dtype)
        : base(nameof(T5CrossAttentionLayer))
    {
        EncDecAttention = new T5Attention(config, hasPositions: false, precision, device, dtype);
        layer_norm = new RmsNorm(config.DModel, config.LayerNormEpsilon, device, dtype);
        RegisterComponents();
    }

    public Tensor Forward(Tensor input, Tensor keys, Tensor values, Tensor? mask)
    {
        using var scope = NewDisposeScope();
        return input.Plus(EncDecAttention.Forward(layer_norm.call(input), keys, values, mask)).MoveToOuterDisposeScope();
    }
}

/// <summary>The feed-forward layer with its norm and residual.</summary>
internal sealed class T5FeedForwardLayer : nn.Module
{
    private readonly T5FeedForward DenseReluDense;
    private readonly RmsNorm layer_norm;

    public T5FeedForwardLayer(T5Config config, ComputePrecision precision, Device device, ScalarType dtype)
        : base(nameof(T5FeedForwardLayer))
    {
        DenseReluDense = new T5FeedForward(config, precision, device, dtype);
        layer_norm = new RmsNorm(config.DModel, config.LayerNormEpsilon, device, dtype);
        RegisterComponents();
    }

    public Tensor Forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        return input.Plus(DenseReluDense.call(layer_norm.call(input))).MoveToOuterDisposeScope();
    }
}

/// <summary>Two layers (<c>wi</c>, <c>wo</c>), or in T5 1.1 a gate beside the first (<c>wi_0</c>, <c>wi_1</c>, <c>wo</c>).</summary>
internal sealed class T5FeedForward : nn.Module<Tensor, Tensor>
{
    private readonly AutocastLinear? wi;
    private readonly AutocastLinear? wi_0;
    private readonly AutocastLinear? wi_1;
    private readonly AutocastLinear wo;
    private readonly Func<Tensor, Tensor> _activation;

    public T5FeedForward(T5Config config, ComputePrecision precision, Device device, ScalarType dtype)
        : base(nameof(T5FeedForward))
    {
        AutocastLinear In() => new(config.DModel, config.DFf, hasBias: false, precision, device, dtype);
        if (config.IsGated)
            (wi_0, wi_1) = (In(), In());
        else
            wi = In();
        wo = new AutocastLinear(config.DFf, config.DModel, hasBias: false, precision, device, dtype);
        _activation = Activations.Get(config.Activation);
        RegisterComponents();
    }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var inner = wi is null ? _activation(wi_0!.call(input)) * wi_1!.call(input) : _activation(wi.call(input));
        return wo.call(inner).MoveToOuterDisposeScope();
    }
}
