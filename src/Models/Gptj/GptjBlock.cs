using DfPO.Models.Layers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Models.Gptj;

/// <summary>A block whose attention and perceptron read the same normed input, side by side.</summary>
internal sealed class GptjBlock : nn.Module
{
    private readonly LayerNorm ln_1;
    private readonly GptjAttention attn;
    private readonly GptjMlp mlp;

    public GptjBlock(GptjConfig config, int layer, ComputePrecision precision, Device device, ScalarType dtype) : base(nameof(GptjBlock))
    {
        ln_1 = nn.LayerNorm(config.NEmbd, config.LayerNormEpsilon, device: device, dtype: dtype);
        attn = new GptjAttention(config, layer, precision, device, dtype);
        mlp = new GptjMlp(config, precision, device, dtype);
        RegisterComponents();
    }

    public Tensor Forward(Tensor input, Tensor? mask, Rotation rotation, KeyValueCache? cache)
    {
        using var scope = NewDisposeScope();
        var normed = ln_1.call(input);
        return attn.Forward(normed, mask, rotation, cache).Plus(mlp.call(normed)).Plus(input).MoveToOuterDisposeScope();
    }
}

/// <summary>Causal attention with rotary positions and no biases.</summary>
internal sealed class GptjAttention : nn.Module
{
    private readonly AutocastLinear k_proj;
    private readonly AutocastLinear v_proj;
    private readonly AutocastLinear q_proj;
    private readonly AutocastLinear out_proj;
    private readonly int _layer;
    private readonly long _heads;
    private readonly ScaledAttention _attention;

    public GptjAttention(GptjConfig config, int layer, ComputePrecision precision, Device device, ScalarType dtype) : base(nameof(GptjAttention))
    {
        (_layer, _heads, _attention) = (layer, config.NHead, new ScaledAttention(1 / Math.Sqrt(config.HeadSize), config.HeadSize, precision));
        AutocastLinear Projection() => new(config.NEmbd, config.NEmbd, hasBias: false, precision, device, dtype);
        (k_proj, v_proj, q_proj, out_proj) = (Projection(), Projection(), Projection(), Projection());
        RegisterComponents();
    }

    public Tensor Forward(Tensor input, Tensor? mask, Rotation rotation, KeyValueCache? cache)
    {
        using var scope = NewDisposeScope();
        var query = rotation.Apply(q_proj.Heads(input, _heads));
        var (key, value) = (rotation.Apply(k_proj.Heads(input, _heads)), v_proj.Heads(input, _heads));
        if (cache is not null)
            (key, value) = cache.Append(_layer, key, value);
        return out_proj.call(_attention.Run(query, key, value, mask, causal: true)).MoveToOuterDisposeScope();
    }
}

/// <summary>The two-layer perceptron of a block.</summary>
internal sealed class GptjMlp : nn.Module<Tensor, Tensor>
{
    private readonly AutocastLinear fc_in;
    private readonly AutocastLinear fc_out;
    private readonly Func<Tensor, Tensor> _activation;

    public GptjMlp(GptjConfig config, ComputePrecision precision, Device device, ScalarType dtype) : base(nameof(GptjMlp))
    {
        var inner = config.NInner ?? 4 * config.NEmbd;
        fc_in = new AutocastLinear(config.NEmbd, inner, hasBias: true, precision, device, dtype);
        fc_out = new AutocastLinear(inner, config.NEmbd, hasBias: true, precision, device, dtype);
        _activation = Activations.Get(config.ActivationFunction);
        RegisterComponents();
    }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        return fc_out.call(_activation(fc_in.call(input))).MoveToOuterDisposeScope();
    }
}
