using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Layers;

/// <summary>Sums and products whose numbers outlive them. Products and differences of two tensors need no number.</summary>
/// <remarks>
/// TorchSharp makes a native scalar of every number that it is given, the factor 1 within <c>a + b</c> included, and hands its bare address on:
/// a garbage collection may free it while the operator still reads it. The pass then fails, or worse, computes something else. What is
/// allocated once and kept cannot be freed.
/// </remarks>
public static class Arithmetic
{
    /// <summary>1.</summary>
    public static readonly Scalar One = 1;

    /// <summary><c>a + b</c>.</summary>
    public static Tensor Plus(this Tensor a, Tensor b) => a.add(b, One);

    /// <summary><c>a + b</c>.</summary>
    public static Tensor Plus(this Tensor a, Scalar b) => a.add(b, One);

    /// <summary><c>a += b</c>.</summary>
    public static Tensor Increase(this Tensor a, Tensor b) => a.add_(b, One);

    /// <summary><c>a * b</c> with a number that is used once.</summary>
    public static Tensor Times(this Tensor a, double b)
    {
        using Scalar number = b;
        return a.mul(number);
    }

    /// <summary><c>a *= b</c> with a number that is used once.</summary>
    public static Tensor Scale(this Tensor a, double b)
    {
        using Scalar number = b;
        return a.mul_(number);
    }

    /// <summary><c>a</c> held between two numbers that are used once.</summary>
    public static Tensor Between(this Tensor a, double least, double most)
    {
        using Scalar low = least, high = most;
        return a.clamp(low, high);
    }
}
