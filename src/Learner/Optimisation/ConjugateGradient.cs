using DfPO.Models.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Optimisation;

/// <summary>
/// Solves <c>A x = b</c> for a symmetric positive definite A that is known by its products with vectors (Hestenes and Stiefel 1952).
/// </summary>
public static class ConjugateGradient
{
    /// <summary>The solution, from zero; it belongs to the caller's dispose scope.</summary>
    /// <param name="product"><c>v -> A v</c>.</param>
    /// <param name="b">Right-hand side <c>[n]</c>.</param>
    /// <param name="iterations">Most products.</param>
    /// <param name="tolerance">Ends early when the squared norm of the residual is under this.</param>
    public static Tensor Solve(Func<Tensor, Tensor> product, Tensor b, int iterations, double tolerance = 1e-10)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var (x, residual, direction) = (zeros_like(b), b.clone(), b.clone());
        var squared = residual.Squared().sum().ToNumber();
        for (var i = 0; i < iterations && squared > tolerance; i++)
        {
            using var inner = NewDisposeScope();
            var image = product(direction);
            var step = squared / direction.dot(image).ToNumber();
            x.Increase(direction, step);
            residual.sub_(image.Scale(step));
            var next = residual.Squared().sum().ToNumber();
            direction.Scale(next / squared).Increase(residual);
            squared = next;
        }
        return x.MoveToOuterDisposeScope();
    }
}
