using DfPO.Models.Decoding;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Models.Layers;

/// <summary><c>nn.Linear</c> (weight <c>[out, in]</c>) in the model's <see cref="ComputePrecision"/>.</summary>
internal sealed class AutocastLinear : nn.Module<Tensor, Tensor>, IProjection
{
    public readonly Parameter weight;
    public readonly Parameter? bias;
    private readonly ComputePrecision _precision;

    public AutocastLinear(long inFeatures, long outFeatures, bool hasBias, ComputePrecision precision, Device device, ScalarType dtype)
        : base(nameof(AutocastLinear))
    {
        _precision = precision;
        weight = new Parameter(empty([outFeatures, inFeatures], dtype, device));
        // The module owns them, not the scope it happens to be built in.
        weight.DetachFromDisposeScope();
        if (hasBias)
        {
            bias = new Parameter(zeros([outFeatures], dtype, device));
            bias.DetachFromDisposeScope();
        }
        RegisterComponents();
    }

    public long InFeatures => weight.size(1);

    public long OutFeatures => weight.size(0);

    public bool FanInFanOut => false;

    public Parameter Weight => weight;

    public Parameter? Bias => bias;

    public IProjectionTerm? Adapter { get; set; }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var output = PackedWeights.Of(this) is { } packed
            ? packed.Forward(_precision.Cast(input))
            : nn.functional.linear(_precision.Cast(input), _precision.Cast(weight), bias is null ? null : _precision.Cast(bias));
        return (Adapter?.AddTo(output, input) ?? output).MoveToOuterDisposeScope();
    }

    /// <summary>The product seen as heads: <c>[batch, time, in]</c> to <c>[batch, heads, time, head size]</c>.</summary>
    public Tensor Heads(Tensor input, long heads)
    {
        using var scope = NewDisposeScope();
        return call(input).view(input.size(0), input.size(1), heads, -1).transpose(1, 2).MoveToOuterDisposeScope();
    }
}
