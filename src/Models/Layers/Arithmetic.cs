using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Layers;

/// <summary>
/// Tensors with numbers, the numbers kept until libtorch has read them. Products and differences of two tensors need no number.
/// </summary>
/// <remarks>
/// TorchSharp makes a native scalar of every number that it is given, the factor 1 within <c>a + b</c> included, and hands its bare address
/// on: a garbage collection may free it while the operator still reads it. The pass then fails, or worse, computes something else. So this
/// is the one place where a number becomes a scalar; <c>build/BannedSymbols.txt</c> refuses TorchSharp's own ways everywhere else.
/// </remarks>
public static class Arithmetic
{
    /// <summary>1.</summary>
    public static readonly Scalar One = Kept(1L);

    /// <summary>0.</summary>
    public static readonly Scalar Zero = Kept(0L);

    /// <summary>
    /// A scalar of a number, for a field or a <c>using</c> declaration: whoever takes it keeps it until the operator has returned.
    /// </summary>
#pragma warning disable RS0030 // The place that the ban speaks of.
    public static Scalar Kept(double number) => number;

    /// <inheritdoc cref="Kept(double)"/>
    public static Scalar Kept(long number) => number;

    /// <summary>A tensor's one element.</summary>
    public static double ToNumber(this Tensor a)
    {
        using var number = a.ToScalar();
        return number.ToDouble();
    }

    /// <summary>A tensor's one element, of an integer dtype.</summary>
    public static long ToInteger(this Tensor a)
    {
        using var number = a.ToScalar();
        return number.ToInt64();
    }
#pragma warning restore RS0030

    /// <summary><c>a + b</c>.</summary>
    public static Tensor Plus(this Tensor a, Tensor b) => a.add(b, One);

    /// <summary><c>a + b</c> with a number that is kept.</summary>
    public static Tensor Plus(this Tensor a, Scalar b) => a.add(b, One);

    /// <summary><c>a + b</c>.</summary>
    public static Tensor Plus(this Tensor a, double b)
    {
        using var number = Kept(b);
        return a.add(number, One);
    }

    /// <summary><c>a + b</c>, integers if a is.</summary>
    public static Tensor Plus(this Tensor a, long b)
    {
        using var number = Kept(b);
        return a.add(number, One);
    }

    /// <summary><c>a += b</c>.</summary>
    public static Tensor Increase(this Tensor a, Tensor b) => a.add_(b, One);

    /// <summary><c>a += b</c>.</summary>
    public static Tensor Increase(this Tensor a, double b)
    {
        using var number = Kept(b);
        return a.add_(number, One);
    }

    /// <summary><c>a += factor * b</c>.</summary>
    public static Tensor Increase(this Tensor a, Tensor b, double factor)
    {
        using var number = Kept(factor);
        return a.add_(b, number);
    }

    /// <summary><c>a * b</c>.</summary>
    public static Tensor Times(this Tensor a, double b)
    {
        using var number = Kept(b);
        return a.mul(number);
    }

    /// <summary><c>a *= b</c>.</summary>
    public static Tensor Scale(this Tensor a, double b)
    {
        using var number = Kept(b);
        return a.mul_(number);
    }

    /// <summary><c>a / b</c>.</summary>
    public static Tensor Over(this Tensor a, double b)
    {
        using var number = Kept(b);
        return a.div(number);
    }

    /// <summary><c>a * a</c>.</summary>
    public static Tensor Squared(this Tensor a) => a.mul(a);

    /// <summary><c>a</c> held between two numbers.</summary>
    public static Tensor Between(this Tensor a, double least, double most)
    {
        using Scalar low = Kept(least),
            high = Kept(most);
        return a.clamp(low, high);
    }

    /// <summary><c>a &lt; b</c>, element by element.</summary>
    public static Tensor Under(this Tensor a, double b)
    {
        using var number = Kept(b);
        return a.lt(number);
    }

    /// <summary><c>a &gt; b</c>, element by element.</summary>
    public static Tensor Above(this Tensor a, double b)
    {
        using var number = Kept(b);
        return a.gt(number);
    }

    /// <summary><c>a == b</c>, element by element.</summary>
    public static Tensor Is(this Tensor a, long b)
    {
        using var number = Kept(b);
        return a.eq(number);
    }

    /// <summary>Sets every element.</summary>
    public static Tensor Fill(this Tensor a, double b)
    {
        using var number = Kept(b);
        return a.fill_(number);
    }

    /// <summary><c>a</c> with a number where the mask is true.</summary>
    public static Tensor Filled(this Tensor a, Tensor mask, double b)
    {
        using var number = Kept(b);
        return a.masked_fill(mask, number);
    }

    /// <inheritdoc cref="Filled(Tensor, Tensor, double)"/>
    public static Tensor Filled(this Tensor a, Tensor mask, long b)
    {
        using var number = Kept(b);
        return a.masked_fill(mask, number);
    }

    /// <summary>A tensor like another, without a gradient, full of a number.</summary>
    public static Tensor Full(this Tensor like, double b)
    {
        using var number = Kept(b);
        return full_like(like, number, requires_grad: false);
    }

    /// <summary><c>0, 1, ..., count - 1</c>.</summary>
    public static Tensor Range(long count, ScalarType dtype = ScalarType.Int64, Device? device = null)
    {
        using var stop = Kept(count);
        return arange(Zero, stop, One, dtype, device);
    }
}
