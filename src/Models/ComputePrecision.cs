using static TorchSharp.torch;

namespace DfPO.Models;

/// <summary>
/// What <c>torch.autocast</c> does, which TorchSharp lacks: float32 parameters and residual stream, matrix products in a lower precision.
/// One object is shared by all layers of a model.
/// </summary>
public sealed class ComputePrecision
{
    /// <summary>Dtype of matrix products; null means that of the parameters.</summary>
    public ScalarType? MatmulDtype { get; set; }

    /// <summary>
    /// Whether blocks keep only their inputs for the gradient and compute the rest again on the way back: less memory for a third more
    /// arithmetic, the same gradients.
    /// </summary>
    public bool RecomputeBlocks { get; set; }

    /// <summary>
    /// Whether attention over whole sequences is made of plain products, which can be differentiated twice; libtorch's fused kernels can
    /// not.
    /// </summary>
    public bool PlainAttention { get; set; }

    /// <summary>The tensor in <see cref="MatmulDtype"/>; itself when it already is.</summary>
    internal Tensor Cast(Tensor tensor) => MatmulDtype is { } dtype && tensor.dtype != dtype ? tensor.to(dtype) : tensor;
}
