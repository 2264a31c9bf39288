using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Models.Classifiers;

/// <summary>Linear layers in a model's <see cref="ComputePrecision"/>.</summary>
internal static class LinearPrecision
{
    public static Tensor Project(this Linear linear, Tensor input, ComputePrecision precision)
    {
        using var scope = NewDisposeScope();
        return nn
            .functional.linear(precision.Cast(input), precision.Cast(linear.weight!), precision.Cast(linear.bias!))
            .MoveToOuterDisposeScope();
    }
}
