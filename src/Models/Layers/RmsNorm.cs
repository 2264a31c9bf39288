using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Models.Layers;

/// <summary>Root-mean-square norm, computed in float32 or better: <c>x / sqrt(mean(x^2) + epsilon) * weight</c>.</summary>
/// <remarks>Source: Zhang and Sennrich 2019; as HF's <c>T5LayerNorm</c> and <c>LlamaRMSNorm</c>.</remarks>
internal sealed class RmsNorm : nn.Module<Tensor, Tensor>
{
    public readonly Parameter weight;
    private readonly Scalar _epsilon;

    public RmsNorm(long width, double epsilon, Device device, ScalarType dtype) : base(nameof(RmsNorm))
    {
        _epsilon = Arithmetic.Kept(epsilon);
        weight = new Parameter(ones([width], dtype, device));
        weight.DetachFromDisposeScope();
        RegisterComponents();
    }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var x = input.dtype == ScalarType.Float64 ? input : input.to(ScalarType.Float32);
        var normed = x * (x * x).mean([-1], keepdim: true).Plus(_epsilon).rsqrt();
        return (weight * normed.to(input.dtype)).MoveToOuterDisposeScope();
    }
}
