using DfPO.Models.Layers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Models.Lora;

/// <summary>The two factors beside one layer, under PEFT's names: <c>lora_A.weight</c> <c>[rank, in]</c> and <c>lora_B.weight</c> <c>[out, rank]</c>.</summary>
internal sealed class LoraLayer : nn.Module
{
    private readonly LoraFactor lora_A;
    private readonly LoraFactor lora_B;

    public LoraLayer(long inFeatures, long outFeatures, long rank, Device device, ScalarType dtype) : base(nameof(LoraLayer))
    {
        (lora_A, lora_B) = (new LoraFactor(rank, inFeatures, device, dtype), new LoraFactor(outFeatures, rank, device, dtype));
        RegisterComponents();
    }

    public Parameter A => lora_A.weight;

    public Parameter B => lora_B.weight;
}

/// <summary>One factor; it starts at zero.</summary>
internal sealed class LoraFactor : nn.Module
{
    public readonly Parameter weight;

    public LoraFactor(long rows, long columns, Device device, ScalarType dtype) : base(nameof(LoraFactor))
    {
        weight = new Parameter(zeros([rows, columns], dtype, device));
        // The module owns it, not the scope it happens to be built in.
        weight.DetachFromDisposeScope();
        RegisterComponents();
    }
}

/// <summary>What a layer adds to its product: <c>scale B A x</c>.</summary>
/// <param name="layer">The factors, the adapter's.</param>
/// <param name="scale">The factor; lives as long as the adapter.</param>
/// <param name="precision">The model's.</param>
internal sealed class LoraTerm(LoraLayer layer, Scalar scale, ComputePrecision precision)
{
    /// <summary>The sum of a layer's product and the term; within <see cref="PairedRows"/> the product itself, whose first half of rows has received the term.</summary>
    /// <param name="output">The layer's product, <c>[..., out]</c>.</param>
    /// <param name="input">What went into it, <c>[..., in]</c>.</param>
    public Tensor AddTo(Tensor output, Tensor input)
    {
        using var scope = NewDisposeScope();
        if (!PairedRows.AreOn)
            return output.Plus(Of(input).to(output.dtype)).MoveToOuterDisposeScope();
        var half = output.size(0) / 2;
        output.narrow(0, 0, half).Increase(Of(input.narrow(0, 0, half)).to(output.dtype));
        return output;
    }

    /// <summary><c>scale B A</c>, <c>[out, in]</c>.</summary>
    public Tensor Delta()
    {
        using var scope = NewDisposeScope();
        return layer.B.matmul(layer.A).mul(scale).MoveToOuterDisposeScope();
    }

    private Tensor Of(Tensor input)
    {
        using var scope = NewDisposeScope();
        var narrow = nn.functional.linear(Cast(input), precision.Cast(layer.A));
        return nn.functional.linear(narrow, precision.Cast(layer.B)).mul(scale).MoveToOuterDisposeScope();
    }

    // As PEFT: the factors' precision decides, unless the model's matrix products have one of their own.
    private Tensor Cast(Tensor input) => precision.MatmulDtype is null ? input.to(layer.A.dtype) : precision.Cast(input);
}

/// <summary>A part of a path on the way to a layer.</summary>
internal sealed class LoraFolder() : nn.Module(nameof(LoraFolder));
