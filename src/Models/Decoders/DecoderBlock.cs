using DfPO.Models.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Decoders;

/// <summary>
/// Attention and a perceptron, with norms before them, after them, both, or after the sums, one after the other or side by side.
/// </summary>
internal sealed class DecoderBlock : NamedModules
{
    private readonly ResidualKind _residual;

    public DecoderBlock(DecoderConfig config, int layer, ComputePrecision precision, Device device, ScalarType dtype)
        : base(nameof(DecoderBlock))
    {
        _residual = config.Residual;
        nn.Module<Tensor, Tensor>? Norm(string? name) => name is null ? null : AddNorm(this, name, config, device, dtype);
        var names = config.Names;
        Attention = new DecoderAttention(this, config, layer, precision, device, dtype);
        Mlp = new DecoderMlp(this, config, precision, device, dtype);
        (AttentionNorm, AttentionOutputNorm) = (Norm(names.AttentionNorm), Norm(names.AttentionOutputNorm));
        (MlpNorm, MlpOutputNorm) = (Norm(names.MlpNorm), Norm(names.MlpOutputNorm));
    }

    public DecoderAttention Attention { get; }

    public DecoderMlp Mlp { get; }

    public nn.Module<Tensor, Tensor>? AttentionNorm { get; }

    public nn.Module<Tensor, Tensor>? AttentionOutputNorm { get; }

    public nn.Module<Tensor, Tensor>? MlpNorm { get; }

    public nn.Module<Tensor, Tensor>? MlpOutputNorm { get; }

    /// <summary>Registers a norm of the family's kind.</summary>
    public static nn.Module<Tensor, Tensor> AddNorm(NamedModules to, string name, DecoderConfig config, Device device, ScalarType dtype) =>
        config.Norm == NormKind.Layer
            ? to.Add(name, nn.LayerNorm(config.Width, config.NormEpsilon, device: device, dtype: dtype))
            : to.Add(name, new RmsNorm(config.Width, config.NormEpsilon, device, dtype, config.Norm == NormKind.RmsPlusOne));

    /// <summary>See <see cref="DecoderAttention.Forward"/>.</summary>
    public Tensor Forward(Tensor input, Tensor? mask, Rotation? rotation, KeyValueCache? cache)
    {
        using var scope = NewDisposeScope();
        Tensor Through(nn.Module<Tensor, Tensor>? norm, Tensor x) => norm is null ? x : norm.call(x);
        if (_residual == ResidualKind.NormedSums)
        {
            var first = Through(AttentionNorm, input.Plus(Attention.Forward(input, mask, rotation, cache)));
            return Through(MlpNorm, first.Plus(Mlp.Forward(first))).MoveToOuterDisposeScope();
        }
        var normed = Through(AttentionNorm, input);
        var attended = Through(AttentionOutputNorm, Attention.Forward(normed, mask, rotation, cache));
        if (_residual == ResidualKind.Parallel)
            return input.Plus(attended).Plus(Mlp.Forward(MlpNorm is null ? normed : MlpNorm.call(input))).MoveToOuterDisposeScope();
        var sum = input.Plus(attended);
        return sum.Plus(Through(MlpOutputNorm, Mlp.Forward(Through(MlpNorm, sum)))).MoveToOuterDisposeScope();
    }
}
