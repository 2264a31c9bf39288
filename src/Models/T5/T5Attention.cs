using DfPO.Models.Layers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Models.T5;

/// <summary>Attention without scaling or biases; the first of a stack's holds the biases of relative positions for all of them.</summary>
internal sealed class T5Attention : nn.Module
{
    private readonly AutocastLinear q;
    private readonly AutocastLinear k;
    private readonly AutocastLinear v;
    private readonly AutocastLinear o;
    public readonly Embedding? relative_attention_bias;
    private readonly long _heads;
    private readonly ScaledAttention _attention;

    public T5Attention(T5Config config, bool hasPositions, ComputePrecision precision, Device device, ScalarType dtype)
        : base(nameof(T5Attention))
    {
        (_heads, _attention) = (config.NumHeads, new ScaledAttention(scale: 1, config.DKv, precision));
        var inner = (long)config.NumHeads * config.DKv;
        AutocastLinear Projection(long from, long to) => new(from, to, hasBias: false, precision, device, dtype);
        (q, k, v, o) = (
            Projection(config.DModel, inner),
            Projection(config.DModel, inner),
            Projection(config.DModel, inner),
            Projection(inner, config.DModel)
        );
        if (hasPositions)
            relative_attention_bias = nn.Embedding(config.RelativeAttentionNumBuckets, config.NumHeads, device: device, dtype: dtype);
        RegisterComponents();
    }

    /// <summary>Keys and values <c>[batch, heads, time, head size]</c> of states <c>[batch, time, width]</c>.</summary>
    public (Tensor Keys, Tensor Values) Project(Tensor states) => (k.Heads(states, _heads), v.Heads(states, _heads));

    /// <param name="input">Queries' states <c>[batch, time, width]</c>.</param>
    /// <param name="keys">Of <see cref="Project"/>.</param>
    /// <param name="values">Of <see cref="Project"/>.</param>
    /// <param name="bias">Added to the scores: positions and masks; null for none.</param>
    public Tensor Forward(Tensor input, Tensor keys, Tensor values, Tensor? bias)
    {
        using var scope = NewDisposeScope();
        return o.call(_attention.Run(q.Heads(input, _heads), keys, values, bias, causal: false)).MoveToOuterDisposeScope();
    }
}
