using DfPO.Models.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Objectives;

/// <summary>PPO's pessimistic surrogate <c>s(rho, w) = min(rho w, clip(rho, 1-eps, 1+eps) w)</c> with <c>rho = pi_theta / pi_theta_old</c> (Schulman et al. 2017, equation 7).</summary>
public static class ClippedSurrogate
{
    /// <summary>The loss <c>-mean_t s(rho_t, w_t)</c>, and the usual figures about the ratio.</summary>
    /// <param name="logprobs">Current log-probabilities <c>[tokens]</c>, with a gradient.</param>
    /// <param name="old">Log-probabilities at rollout.</param>
    /// <param name="weights"><c>w</c>: an advantage, truncated and masked or not.</param>
    /// <param name="clipRange"><c>eps</c>.</param>
    /// <param name="statistics">Receives <c>policy/ratio</c>, <c>policy/approx_kl</c> and <c>policy/clip_fraction</c>.</param>
    /// <param name="dualClip">With c > 1, a token with <c>w &lt; 0</c> counts no less than <c>c w</c>, however large its ratio (Ye et al. 2020, equation 5); 0 for no such bound.</param>
    public static Tensor Loss(Tensor logprobs, double[] old, double[] weights, double clipRange, Statistics statistics, double dualClip = 0)
    {
        using var scope = NewDisposeScope();
        return PerToken(logprobs, old, weights, clipRange, statistics, dualClip).mean().neg().MoveToOuterDisposeScope();
    }

    /// <summary><c>s(rho_t, w_t)</c> of each token, <c>[tokens]</c>; see <see cref="Loss"/>.</summary>
    public static Tensor PerToken(Tensor logprobs, double[] old, double[] weights, double clipRange, Statistics statistics, double dualClip = 0)
    {
        using var scope = NewDisposeScope();
        var logRatio = logprobs - tensor(old, device: logprobs.device).to(logprobs.dtype);
        var ratio = logRatio.exp();
        var w = tensor(weights, device: logprobs.device).to(logprobs.dtype);
        var surrogate = minimum(ratio * w, ratio.Between(1 - clipRange, 1 + clipRange) * w);
        if (dualClip > 0)
            surrogate = where(w.signbit(), maximum(surrogate, w.Times(dualClip)), surrogate);
        Measure(logRatio.ToDoubles(), clipRange, statistics);
        return surrogate.MoveToOuterDisposeScope();
    }

    private static void Measure(double[] logRatios, double clipRange, Statistics statistics)
    {
        var count = logRatios.Length;
        statistics.Add("policy/ratio", logRatios.Sum(Math.Exp), count);
        // The samples are the old policy's: this is KL(old || new).
        statistics.Add("policy/approx_kl", count * KlEstimators.K3(logRatios.Select(d => -d)), count);
        statistics.Add("policy/clip_fraction", logRatios.Count(d => Math.Abs(Math.Exp(d) - 1) > clipRange), count);
    }

    /// <summary>A tensor's values on the host, without its gradient.</summary>
    internal static double[] ToDoubles(this Tensor tensor)
    {
        using var scope = NewDisposeScope();
        return tensor.detach().to(ScalarType.Float64).cpu().contiguous().data<double>().ToArray();
    }
}
