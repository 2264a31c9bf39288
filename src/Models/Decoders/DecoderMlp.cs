using DfPO.Models.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Decoders;

/// <summary>A block's perceptron, plain or gated (<c>activation(gate) * expansion</c>). Its layers are registered with the block.</summary>
internal sealed class DecoderMlp
{
    private readonly Func<Tensor, Tensor> _activation;

    public DecoderMlp(NamedModules block, DecoderConfig config, ComputePrecision precision, Device device, ScalarType dtype)
    {
        AutocastLinear Layer(string name, long from, long to) =>
            block.Add(name, new AutocastLinear(from, to, config.MlpBias, precision, device, dtype));
        var (gate, expansion) = (config.Names.Gate, config.Names.Expansion);
        IsGated = gate is not null;
        Expansions = (gate, expansion) switch
        {
            (null, { } plain) => [Layer(plain, config.Width, config.InnerWidth)],
            ({ } both, null) => [Layer(both, config.Width, 2L * config.InnerWidth)],
            _ => [Layer(gate!, config.Width, config.InnerWidth), Layer(expansion!, config.Width, config.InnerWidth)],
        };
        Contraction = Layer(config.Names.Contraction, config.InnerWidth, config.Width);
        _activation = Activations.Get(config.Activation);
    }

    public bool IsGated { get; }

    /// <summary>Gate and expansion, or one layer of both, gate first; or the expansion alone.</summary>
    public AutocastLinear[] Expansions { get; }

    public AutocastLinear Contraction { get; }

    public Tensor Forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var parts = Array.ConvertAll(Expansions, layer => layer.call(input));
        if (IsGated && parts.Length == 1)
            parts = parts[0].chunk(2, -1);
        return Contraction.call(IsGated ? _activation(parts[0]) * parts[1] : _activation(parts[0])).MoveToOuterDisposeScope();
    }
}
