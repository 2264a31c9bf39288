using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Models.Layers;

/// <summary>
/// Root-mean-square norm, computed in float32 or better: <c>x / sqrt(mean(x^2) + epsilon) * weight</c>, or <c>* (1 + weight)</c>.
/// </summary>
/// <remarks>
/// Source: Zhang and Sennrich 2019; as HF's <c>T5LayerNorm</c> and <c>LlamaRMSNorm</c>, and <c>Gemma2RMSNorm</c> where one is added.
/// </remarks>
internal sealed class RmsNorm : nn.Module<Tensor, Tensor>
{
    public readonly Parameter weight;
    private readonly Scalar _epsilon;
    private readonly bool _plusOne;

    public RmsNorm(long width, double epsilon, Device device, ScalarType dtype, bool plusOne = false)
        : base(nameof(RmsNorm))
    {
        (_epsilon, Epsilon, _plusOne) = (Arithmetic.Kept(epsilon), epsilon, plusOne);
        weight = new Parameter(plusOne ? zeros([width], dtype, device) : ones([width], dtype, device));
        weight.DetachFromDisposeScope();
        RegisterComponents();
    }

    /// <summary>Added to the mean square.</summary>
    public double Epsilon { get; }

    /// <summary>What normed values are multiplied with; the caller's.</summary>
    public Tensor Factor()
    {
        using var scope = NewDisposeScope();
        return (
            _plusOne
                ? weight.to(weight.dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32).Plus(Arithmetic.One)
                : weight.alias()
        ).MoveToOuterDisposeScope();
    }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var x = input.dtype == ScalarType.Float64 ? input : input.to(ScalarType.Float32);
        var normed = x * (x * x).mean([-1], keepdim: true).Plus(_epsilon).rsqrt();
        return (_plusOne ? (normed * Factor()).to(input.dtype) : weight * normed.to(input.dtype)).MoveToOuterDisposeScope();
    }
}
