using DfPO.Models.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Lora;

/// <summary>
/// What factors add to a linear layer's product: <c>scale (B A x + b)</c>; with magnitudes the sum's features are multiplied with
/// <see cref="LoraLayer.Gain"/>.
/// </summary>
/// <param name="layer">The factors, the adapter's.</param>
/// <param name="projection">The layer beside which they stand.</param>
/// <param name="precision">The model's.</param>
/// <param name="rows">The rows that it works on.</param>
internal sealed class LoraTerm(LinearLora layer, IProjection projection, ComputePrecision precision, AdaptedRows rows) : IProjectionTerm
{
    /// <inheritdoc/>
    public Tensor AddTo(Tensor output, Tensor input)
    {
        using var scope = NewDisposeScope();
        if (rows == AdaptedRows.All)
            return Sum(output, input).MoveToOuterDisposeScope();
        var half = output.size(0) / 2;
        var (own, given) = (output.narrow(0, 0, half), input.narrow(0, 0, half));
        if (layer.Magnitude is null)
            own.Increase(Of(given).to(output.dtype));
        else
            own.copy_(Sum(own, given));
        return output;
    }

    /// <inheritdoc/>
    public Tensor MergeWeight(Tensor weight) => layer.Merge(weight);

    /// <inheritdoc/>
    public Tensor? MergeBias(Tensor? bias)
    {
        if (layer.Bias is null)
            return bias?.alias();
        if (bias is null)
            throw new DfpoException(
                "lora/merge",
                $"The adapter of '{layer.Shape.Path}' has a bias in its second factor (field 'lora_bias'), which cannot be merged into a base layer without one, nor does PEFT do it."
            );
        using var scope = NewDisposeScope();
        return bias.Plus(layer.Bias.mul(layer.Scale).to(bias.dtype)).MoveToOuterDisposeScope();
    }

    private Tensor Sum(Tensor output, Tensor input)
    {
        var own = Of(input).to(output.dtype);
        if (layer.Magnitude is null)
            return output.Plus(own);
        var gain = layer.Gain(projection.FanInFanOut ? projection.Weight.t() : projection.Weight).to(output.dtype);
        if (projection.Bias is null)
            return output.Plus(own).mul(gain);
        var bias = projection.Bias.to(output.dtype);
        return (output - bias).Plus(own).mul(gain).Plus(bias);
    }

    private Tensor Of(Tensor input)
    {
        using var scope = NewDisposeScope();
        var narrow = nn.functional.linear(Cast(input), precision.Cast(layer.A));
        return nn
            .functional.linear(narrow, precision.Cast(layer.B), layer.Bias is null ? null : precision.Cast(layer.Bias))
            .mul(layer.Scale)
            .MoveToOuterDisposeScope();
    }

    // As PEFT: the factors' precision decides, unless the model's matrix products have one of their own.
    private Tensor Cast(Tensor input) => precision.MatmulDtype is null ? input.to(layer.A.dtype) : precision.Cast(input);
}
