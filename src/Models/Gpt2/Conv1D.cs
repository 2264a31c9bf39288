using DfPO.Models.Layers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Models.Gpt2;

/// <summary>GPT-2's linear layer, whose weight is stored <c>[in, out]</c>: the transpose of <c>nn.Linear</c>'s.</summary>
internal sealed class Conv1D : nn.Module<Tensor, Tensor>, IProjection
{
    public readonly Parameter weight;
    public readonly Parameter bias;
    private readonly ComputePrecision _precision;
    private readonly long _in;
    private readonly long _out;

    public Conv1D(long inFeatures, long outFeatures, ComputePrecision precision, Device device, ScalarType dtype)
        : base(nameof(Conv1D))
    {
        (_in, _out, _precision) = (inFeatures, outFeatures, precision);
        weight = new Parameter(empty([inFeatures, outFeatures], dtype, device));
        bias = new Parameter(zeros([outFeatures], dtype, device));
        // The module owns them, not the scope it happens to be built in.
        weight.DetachFromDisposeScope();
        bias.DetachFromDisposeScope();
        RegisterComponents();
    }

    public long InFeatures => _in;

    public long OutFeatures => _out;

    public bool FanInFanOut => true;

    public Parameter Weight => weight;

    public Parameter? Bias => bias;

    public IProjectionTerm? Adapter { get; set; }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var flat = _precision.Cast(input).reshape(-1, _in);
        var output = addmm(_precision.Cast(bias), flat, _precision.Cast(weight), 1, 1);
        output = Adapter?.AddTo(output, flat) ?? output;
        return output.view(input.size(0), input.size(1), _out).MoveToOuterDisposeScope();
    }
}
