using DfPO.Models.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Llama;

/// <summary>A pre-norm block: grouped-query attention, then a gated perceptron.</summary>
internal sealed class LlamaBlock : nn.Module
{
    private readonly LlamaAttention self_attn;
    private readonly LlamaMlp mlp;
    private readonly RmsNorm input_layernorm;
    private readonly RmsNorm post_attention_layernorm;

    public LlamaBlock(LlamaConfig config, int layer, ComputePrecision precision, Device device, ScalarType dtype) : base(nameof(LlamaBlock))
    {
        self_attn = new LlamaAttention(config, layer, precision, device, dtype);
        mlp = new LlamaMlp(config, precision, device, dtype);
        input_layernorm = new RmsNorm(config.Width, config.RmsNormEpsilon, device, dtype);
        post_attention_layernorm = new RmsNorm(config.Width, config.RmsNormEpsilon, device, dtype);
        RegisterComponents();
    }

    public Tensor Forward(Tensor input, Tensor? mask, Rotation rotation, KeyValueCache? cache)
    {
        using var scope = NewDisposeScope();
        var attended = input.Plus(self_attn.Forward(input_layernorm.call(input), mask, rotation, cache));
        return attended.Plus(mlp.call(post_attention_layernorm.call(attended))).MoveToOuterDisposeScope();
    }
}

/// <summary>Causal attention with rotary positions, several heads of queries to one of keys and values.</summary>
internal sealed class LlamaAttention : nn.Module
{
    private readonly AutocastLinear q_proj;
    private readonly AutocastLinear k_proj;
    private readonly AutocastLinear v_proj;
    private readonly AutocastLinear o_proj;
    private readonly int _layer;
    private readonly LlamaConfig _config;
    private readonly ScaledAttention _attention;

    public LlamaAttention(LlamaConfig config, int layer, ComputePrecision precision, Device device, ScalarType dtype) : base(nameof(LlamaAttention))
    {
        (_layer, _config, _attention) = (layer, config, new ScaledAttention(1 / Math.Sqrt(config.HeadSize), config.HeadSize, precision));
        AutocastLinear Projection(long from, long to) => new(from, to, config.AttentionBias, precision, device, dtype);
        long queries = (long)config.Heads * config.HeadSize, keys = (long)config.KeyValueHeads * config.HeadSize;
        q_proj = Projection(config.Width, queries);
        k_proj = Projection(config.Width, keys);
        v_proj = Projection(config.Width, keys);
        o_proj = Projection(queries, config.Width);
        RegisterComponents();
    }

    public Tensor Forward(Tensor input, Tensor? mask, Rotation rotation, KeyValueCache? cache)
    {
        using var scope = NewDisposeScope();
        var query = rotation.Apply(q_proj.Heads(input, _config.Heads));
        var (key, value) = (rotation.Apply(k_proj.Heads(input, _config.KeyValueHeads)), v_proj.Heads(input, _config.KeyValueHeads));
        if (cache is not null)
            (key, value) = cache.Append(_layer, key, value);
        return o_proj.call(_attention.Run(query, key, value, mask, causal: true)).MoveToOuterDisposeScope();
    }
}

/// <summary>The gated perceptron of a block (SwiGLU where the activation is SiLU).</summary>
internal sealed class LlamaMlp : nn.Module<Tensor, Tensor>
{
    private readonly AutocastLinear gate_proj;
    private readonly AutocastLinear up_proj;
    private readonly AutocastLinear down_proj;
    private readonly Func<Tensor, Tensor> _activation;

    public LlamaMlp(LlamaConfig config, ComputePrecision precision, Device device, ScalarType dtype) : base(nameof(LlamaMlp))
    {
        gate_proj = new AutocastLinear(config.Width, config.IntermediateSize, config.MlpBias, precision, device, dtype);
        up_proj = new AutocastLinear(config.Width, config.IntermediateSize, config.MlpBias, precision, device, dtype);
        down_proj = new AutocastLinear(config.IntermediateSize, config.Width, config.MlpBias, precision, device, dtype);
        _activation = Activations.Get(config.Activation);
        RegisterComponents();
    }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        return down_proj.call(_activation(gate_proj.call(input)) * up_proj.call(input)).MoveToOuterDisposeScope();
    }
}
