using DfPO.Models.Layers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Models.Gpt2;

/// <summary>A pre-norm transformer block.</summary>
internal sealed class Gpt2Block : nn.Module
{
    public readonly LayerNorm ln_1;
    public readonly Gpt2Attention attn;
    public readonly LayerNorm ln_2;
    public readonly Gpt2Mlp mlp;

    public Gpt2Block(Gpt2Config config, int layer, ComputePrecision precision, Device device, ScalarType dtype)
        : base(nameof(Gpt2Block))
    {
        ln_1 = nn.LayerNorm(config.NEmbd, config.LayerNormEpsilon, device: device, dtype: dtype);
        attn = new Gpt2Attention(config, layer, precision, device, dtype);
        ln_2 = nn.LayerNorm(config.NEmbd, config.LayerNormEpsilon, device: device, dtype: dtype);
        mlp = new Gpt2Mlp(config, precision, device, dtype);
        RegisterComponents();
    }

    public Tensor Forward(Tensor input, Tensor? mask, KeyValueCache? cache)
    {
        using var scope = NewDisposeScope();
        var attended = input.Plus(attn.Forward(ln_1.call(input), mask, cache));
        return attended.Plus(mlp.call(ln_2.call(attended))).MoveToOuterDisposeScope();
    }
}
