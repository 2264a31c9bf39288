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

    Parameter? Bias { get; }

    /// <summary>What is added to the product; null for none. It is not a submodule: the layer's parameters stay the checkpoint's.</summary>
    IProjectionTerm? Adapter { get; set; }

    /// <summary>
    /// The weight with the adapter in it, in the weight's own dtype and layout; the weight itself where there is no adapter. It belongs to
    /// the caller's dispose scope.
    /// </summary>
    Tensor EffectiveWeight()
    {
        if (Adapter is null)
            return Weight.alias();
        using var scope = NewDisposeScope();
        return (FanInFanOut ? Adapter.MergeWeight(Weight.t()).t() : Adapter.MergeWeight(Weight)).MoveToOuterDisposeScope();
    }

    /// <summary>The bias with the adapter in it; null for none. It belongs to the caller's dispose scope.</summary>
    /// <exception cref="DfpoException"><c>lora/merge</c>: the adapter has a bias where the layer has none.</exception>
    Tensor? EffectiveBias() => Adapter is null ? Bias?.alias() : Adapter.MergeBias(Bias);
}

/// <summary>What stands beside a linear layer.</summary>
internal interface IProjectionTerm
{
    /// <summary>
    /// The sum of a layer's product and the term; of a term that works on half of the rows the product itself, whose first half has
    /// received it.
    /// </summary>
    /// <param name="output">The layer's product with its bias, <c>[..., out]</c>.</param>
    /// <param name="input">What went into it, <c>[..., in]</c>.</param>
    Tensor AddTo(Tensor output, Tensor input);

    /// <summary>A layer's weight <c>[out, in]</c> with the term in it.</summary>
    Tensor MergeWeight(Tensor weight);

    /// <summary>A layer's bias <c>[out]</c> with the term in it; null where there is none.</summary>
    /// <exception cref="DfpoException"><c>lora/merge</c>: the term has a bias where the layer has none.</exception>
    Tensor? MergeBias(Tensor? bias);
}
