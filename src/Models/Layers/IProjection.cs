using DfPO.Models.Lora;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Models.Layers;

/// <summary>A linear layer that an adapter can be put beside.</summary>
internal interface IProjection
{
    long InFeatures { get; }

    long OutFeatures { get; }

    /// <summary>Whether the weight is stored <c>[in, out]</c>.</summary>
    bool FanInFanOut { get; }

    Parameter Weight { get; }

    /// <summary>What is added to the product; null for none. It is not a submodule: the layer's parameters stay the checkpoint's.</summary>
    LoraTerm? Adapter { get; set; }

    /// <summary>The weight with the adapter in it, in the weight's own dtype and layout; the weight itself where there is no adapter. It belongs to the caller's dispose scope.</summary>
    Tensor EffectiveWeight()
    {
        if (Adapter is null)
            return Weight.alias();
        using var scope = NewDisposeScope();
        var delta = Adapter.Delta();
        return Weight.Plus((FanInFanOut ? delta.t() : delta).to(Weight.dtype)).MoveToOuterDisposeScope();
    }
}
