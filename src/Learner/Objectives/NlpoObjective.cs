using System.ComponentModel.DataAnnotations;
using static TorchSharp.torch;

namespace DfPO.Learner.Objectives;

/// <summary>NLPO's own hyper-parameters; those of <see cref="PpoOptions"/> hold too. Defaults: RL4LMs's IMDB settings.</summary>
public sealed record NlpoOptions : IObjectiveOptions
{
    /// <summary>Probability under the mask policy that the allowed tokens reach, in (0, 1].</summary>
    [Range(0.0, 1.0, MinimumIsExclusive = true)]
    public double TopP { get; init; } = 0.9;

    /// <summary>Tokens that are allowed at least, at least 1.</summary>
    [Range(1, int.MaxValue)]
    public int MinTokensToKeep { get; init; } = 100;

    /// <summary>Iterations after which the mask policy takes over the learner's weights, at least 1.</summary>
    [Range(1, int.MaxValue)]
    public int RefreshEvery { get; init; } = 5;

    /// <summary>Repeats RL4LMs's defects: the mask is never refreshed, and masked log-probabilities are not renormalised.</summary>
    public bool Rl4lmsCompat { get; init; }
}

/// <summary>
/// Natural-language policy optimisation (Ramamurthy et al., ICLR 2023): PPO on a policy that may only take the likely tokens of a slower
/// policy.
/// </summary>
/// <remarks>
/// <para>
/// With the mask policy <c>psi</c>, a copy of <c>theta</c> refreshed every n iterations, <c>M(s)</c> = the most likely tokens under
/// <c>psi</c> whose probability reaches p. Rolled out and pushed is <c>pi(a|s) = pi_theta(a|s) 1[a in M(s)] / Z(s)</c>: loss
/// <c>-mean s(rho, A)</c> with <c>rho = pi / pi_old</c>, both masked and renormalised. Rewards are PPO's, their KL penalty from unmasked
/// log-probabilities. The token that ends a text is always in M; other special ones are not, unlike in RL4LMs, which may so draw padding.
/// </para>
/// <para>
/// A drawn token that the learner finds outside of M gets no push and is counted in <c>nlpo/outside_mask</c>. There is none but where
/// engine and learner round differently, where a rule of generation forbade all of M, and in asynchronous runs where <c>psi</c> was
/// refreshed since.
/// </para>
/// <para>
/// <see cref="NlpoOptions.Rl4lmsCompat"/>: RL4LMs v0.2.2 hands its refreshed mask policy to nobody, so <c>psi</c> stays the initial policy,
/// and takes the log of un-renormalised probabilities, so that the ratio is PPO's. What is left of NLPO there is what may be drawn.
/// </para>
/// </remarks>
/// <param name="options">The switches.</param>
/// <param name="ppo">PPO's switches.</param>
/// <param name="clipRange"><c>eps</c> of <see cref="ClippedSurrogate"/>.</param>
public sealed class NlpoObjective(NlpoOptions options, PpoOptions ppo, ClipRange clipRange) : IObjective
{
    private readonly PpoObjective _ppo = new(ppo, clipRange);

    /// <inheritdoc/>
    public ObjectiveTraits Traits { get; } =
        new()
        {
            MaskPolicy = new MaskPolicyTraits(
                options.TopP,
                options.MinTokensToKeep,
                options.Rl4lmsCompat ? 0 : options.RefreshEvery,
                HeldByLearner: !options.Rl4lmsCompat
            ),
        };

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, double> State => _ppo.State;

    /// <inheritdoc/>
    public void Restore(IReadOnlyDictionary<string, double> state) => _ppo.Restore(state);

    /// <inheritdoc/>
    public double[] TokenRewards(Trajectory trajectory) => _ppo.TokenRewards(trajectory);

    /// <inheritdoc/>
    public double[][] FinishRewards(double[][] rewards) => _ppo.FinishRewards(rewards);

    /// <inheritdoc/>
    public void EndIteration(double meanKl) => _ppo.EndIteration(meanKl);

    /// <inheritdoc/>
    public Tensor Loss(Tensor logprobs, TokenBatch batch, Statistics statistics)
    {
        if (batch.InsideMask is not { } inside)
            return _ppo.Loss(logprobs, batch, statistics);
        statistics.Add("nlpo/outside_mask", inside.Count(allowed => !allowed), inside.Length);
        statistics.Masks = [.. inside.Select(open => open ? TokenMask.Open : TokenMask.Shut)];
        var allowed = batch.Advantages.Where((_, t) => inside[t]).ToArray();
        if (ppo.NormalizeAdvantages && allowed.Length > 0)
            allowed = PpoObjective.Normalized(allowed);
        var (weights, next) = (new double[batch.Count], 0);
        for (var t = 0; t < weights.Length; t++)
            weights[t] = inside[t] ? allowed[next++] : 0;
        return ClippedSurrogate.Loss(logprobs, batch.Logprobs, batch.Weighted(weights), clipRange, statistics, ppo.Delta);
    }
}
