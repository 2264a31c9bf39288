using DfPO.Models.Layers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Models.Classifiers;

/// <summary>
/// Bidirectional self-attention and a feed-forward part, each followed by a layer norm of the sum (post-norm, as in the original
/// transformer).
/// </summary>
internal sealed class EncoderLayer : NamedModules
{
    private readonly Linear _query,
        _key,
        _value,
        _attentionOutput,
        _up,
        _down;
    private readonly LayerNorm _attentionNorm,
        _outputNorm;
    private readonly Func<Tensor, Tensor> _activation;
    private readonly ComputePrecision _precision;
    private readonly long _heads;

    public EncoderLayer(EncoderConfig config, EncoderNames names, ComputePrecision precision, Device device, ScalarType dtype)
        : base(nameof(EncoderLayer))
    {
        long width = config.HiddenSize,
            inner = config.IntermediateSize;
        (_precision, _heads, _activation) = (precision, config.NumAttentionHeads, Activations.Get(config.HiddenAct));
        Linear Linear(string name, long from, long to) => Add(name, nn.Linear(from, to, device: device, dtype: dtype));
        LayerNorm Norm(string name) => Add(name, nn.LayerNorm(width, config.LayerNormEps, device: device, dtype: dtype));
        (_query, _key, _value) = (Linear(names.Query, width, width), Linear(names.Key, width, width), Linear(names.Value, width, width));
        (_attentionOutput, _attentionNorm) = (Linear(names.AttentionOutput, width, width), Norm(names.AttentionNorm));
        (_up, _down, _outputNorm) = (Linear(names.Up, width, inner), Linear(names.Down, inner, width), Norm(names.OutputNorm));
    }

    /// <param name="input"><c>[batch, time, width]</c>.</param>
    /// <param name="mask">Additive mask <c>[batch, 1, 1, time]</c>, or null when all see all.</param>
    public Tensor Forward(Tensor input, Tensor? mask)
    {
        using var scope = NewDisposeScope();
        var attended = nn.functional.scaled_dot_product_attention(Heads(_query, input), Heads(_key, input), Heads(_value, input), mask);
        var merged = attended.transpose(1, 2).reshape(input.shape);
        var middle = _attentionNorm.call(input.Plus(_attentionOutput.Project(merged, _precision)));
        var inner = _activation(_up.Project(middle, _precision));
        return _outputNorm.call(middle.Plus(_down.Project(inner, _precision))).MoveToOuterDisposeScope();
    }

    private Tensor Heads(Linear linear, Tensor input) =>
        linear.Project(input, _precision).view(input.size(0), input.size(1), _heads, -1).transpose(1, 2);
}
