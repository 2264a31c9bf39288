using DfPO.Models.Layers;
using static TorchSharp.torch;

namespace DfPO.Learner.Objectives;

/// <summary>How well values predict returns.</summary>
public static class ValueLoss
{
    /// <summary><c>mean_t (V_t - R_t)^2</c> (RL4LMs: no factor 1/2, no clipping), a scalar with a gradient.</summary>
    /// <param name="values"><c>[tokens]</c>.</param>
    /// <param name="returns">Targets.</param>
    public static Tensor MeanSquaredError(Tensor values, double[] returns)
    {
        using var scope = NewDisposeScope();
        return nn.functional.mse_loss(values, tensor(returns, device: values.device).to(values.dtype)).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// <c>mean_t max((V_t - R_t)^2, (W_t - R_t)^2)</c> with <c>W_t = V_old + clip(V_t - V_old, -eps, eps)</c> (the form of OpenAI's PPO
    /// code, without its factor 1/2): a value gains nothing from moving further than eps from where it was. A scalar with a gradient.
    /// </summary>
    /// <param name="values"><c>[tokens]</c>.</param>
    /// <param name="old">Values before the update.</param>
    /// <param name="returns">Targets.</param>
    /// <param name="clipRange"><c>eps</c>, greater than 0.</param>
    public static Tensor Clipped(Tensor values, double[] old, double[] returns, double clipRange)
    {
        using var scope = NewDisposeScope();
        Tensor Constant(double[] numbers) => tensor(numbers, device: values.device).to(values.dtype);
        var (before, targets) = (Constant(old), Constant(returns));
        var clipped = before.Plus((values - before).Between(-clipRange, clipRange));
        return maximum((values - targets).Squared(), (clipped - targets).Squared()).mean().MoveToOuterDisposeScope();
    }

    /// <summary><c>1 - Var(R - V) / Var(R)</c>: 1 is perfect, 0 no better than a constant; 0 when the returns do not vary.</summary>
    public static double ExplainedVariance(double[] values, double[] returns)
    {
        var variance = Variance(returns);
        return variance == 0 ? 0 : 1 - Variance([.. returns.Zip(values, (r, v) => r - v)]) / variance;
    }

    private static double Variance(double[] numbers)
    {
        var mean = numbers.Average();
        return numbers.Average(x => (x - mean) * (x - mean));
    }
}
