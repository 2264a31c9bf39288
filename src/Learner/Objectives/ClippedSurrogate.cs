using DfPO.Models.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Objectives;

/// <summary>
/// PPO's pessimistic surrogate <c>s(rho, w) = min(rho w, clip(rho, 1-eps, 1+eps) w)</c> with <c>rho = pi_theta / pi_theta_old</c> (Schulman
/// et al. 2017, equation 7).
/// </summary>
public static class ClippedSurrogate
{
    /// <summary>The loss <c>-mean_t s(rho_t, w_t)</c>, and the usual figures about the ratio.</summary>
    /// <param name="logprobs">Current log-probabilities <c>[tokens]</c>, with a gradient.</param>
    /// <param name="old">Log-probabilities at rollout.</param>
    /// <param name="weights"><c>w</c>: an advantage, truncated and masked or not.</param>
    /// <param name="clip"><c>eps</c>, on both sides.</param>
    /// <param name="statistics">Receives what <see cref="RatioFigures"/> measures.</param>
    /// <param name="delta">Upper bound of <c>rho</c> in the unclipped term, so that a token with <c>w &lt; 0</c> counts no less than
    /// <c>delta w</c> (Ye et al. 2020, equation 5); 0 for none.</param>
    public static Tensor Loss(Tensor logprobs, double[] old, double[] weights, ClipRange clip, Statistics statistics, double delta = 0)
    {
        using var scope = NewDisposeScope();
        return PerToken(logprobs, old, weights, clip, statistics, delta).mean().neg().MoveToOuterDisposeScope();
    }

    /// <summary><c>s(rho_t, w_t)</c> of each token, <c>[tokens]</c>; see <see cref="Loss"/>.</summary>
    public static Tensor PerToken(Tensor logprobs, double[] old, double[] weights, ClipRange clip, Statistics statistics, double delta = 0)
    {
        using var scope = NewDisposeScope();
        var logRatio = logprobs - tensor(old, device: logprobs.device).to(logprobs.dtype);
        RatioFigures.Measure(logRatio.ToDoubles(), weights, clip, statistics, delta);
        return Of(logRatio.exp(), tensor(weights, device: logprobs.device).to(logprobs.dtype), clip, delta).MoveToOuterDisposeScope();
    }

    /// <summary><c>s(rho, w)</c>, entry by entry.</summary>
    internal static Tensor Of(Tensor ratio, Tensor weights, ClipRange clip, double delta)
    {
        using var scope = NewDisposeScope();
        var bounded = delta > 0 ? ratio.Between(double.NegativeInfinity, delta) : ratio;
        return minimum(bounded * weights, ratio.Between(1 - clip.Low, 1 + clip.High) * weights).MoveToOuterDisposeScope();
    }

    /// <summary>A tensor's values on the host, without its gradient.</summary>
    internal static double[] ToDoubles(this Tensor tensor)
    {
        using var scope = NewDisposeScope();
        return tensor.detach().to(ScalarType.Float64).cpu().contiguous().data<double>().ToArray();
    }
}
