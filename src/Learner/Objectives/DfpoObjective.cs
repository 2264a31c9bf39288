using DfPO.Models.Policies;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Objectives;

/// <summary>
/// Degeneration-free policy optimisation (Jang et al., ICML 2024): KL-masking and truncated advantages in place of a KL penalty.
/// </summary>
/// <remarks>
/// <para>
/// With <c>A+ = max(A, 0)</c>, <c>A- = min(A, 0)</c> [S], the log-ratio <c>l = log pi_theta - log pi_0</c>, a threshold <c>c</c> and a
/// tolerance <c>tau</c> [D], each token's log-probability is pushed by the weight
/// </para>
/// <list type="bullet">
/// <item><c>w = A+ 1[l &lt;= c + tau] + A- 1[l >= c - tau]</c> on samples of <c>pi_theta</c> (<see cref="DfpoBehaviour.Policy"/>, the ICML
/// form as read in the specification [D]); <c>L = -mean s(rho, w)</c>;</item>
/// <item><c>w = A+</c> on samples of <c>pi+</c> and <c>w = A-</c> on samples of <c>pi-</c> (<see cref="DfpoBehaviour.Masked"/>, the ICLR
/// form [S]); <c>L = -E_{x+}[s(rho, A+)] - E_{x-}[s(rho, A-)]</c> [D], where sampling has already applied the mask; with
/// <see cref="DfpoMaskAt.Update"/> it is tested again with the current weights.</item>
/// </list>
/// <para>
/// <c>c</c> is 0 [S, ICLR] or the rollout's <c>KL(pi_theta_old || pi_0)</c> at the state [D]. What is pushed is always
/// <c>log pi_theta(a|s)</c>, never a masked policy's log-probability; no gradient flows through the test. A third rule bounds a
/// continuation's divergence in place of each token's (<see cref="KlBudget"/> [D]). The sign of an advantage is its meaning, so advantages
/// are never centred. A token at <c>l = 0</c> belongs to both sets: at <c>theta_0</c> the first form is the plain policy gradient.
/// </para>
/// </remarks>
/// <param name="options">The switches.</param>
/// <param name="clipRange"><c>eps</c> of <see cref="ClippedSurrogate"/>.</param>
public sealed class DfpoObjective(DfpoOptions options, ClipRange clipRange) : IObjective
{
    /// <summary>Nats by which passes of the same weights may differ; no step that matters is so small.</summary>
    private const double Rounding = 1e-4;

    /// <inheritdoc/>
    public ObjectiveTraits Traits { get; } =
        new()
        {
            Behaviours =
                options.Behaviour == DfpoBehaviour.Masked ? [DecodingPolicy.Positive, DecodingPolicy.Negative] : [DecodingPolicy.Policy],
            ValueHeads = options.Value == DfpoValue.TwoHeaded ? 2 : 1,
            Decode = options.Decode,
            ReferenceInLearner =
                options
                    is { MaskRule: DfpoMaskRule.Budget, BudgetForm: BudgetForm.Exact }
                        or { MaskRule: DfpoMaskRule.Scaled, MaskAt: DfpoMaskAt.Update },
            KlMask = options.Behaviour == DfpoBehaviour.Masked ? new KlMaskTraits(options.MaskRule.Decoding(), options.Tolerance) : null,
        };

    /// <inheritdoc/>
    public bool Accepts(DecodingPolicy behaviour) => Traits.Behaviours.Contains(behaviour);

    /// <summary>The task reward at the last token, and nothing else: no KL term [S].</summary>
    public double[] TokenRewards(Trajectory trajectory) => trajectory.TerminalRewards();

    /// <summary>One head for both kinds of samples [S], or head 1 for those of <c>pi-</c> [D].</summary>
    public int ValueHead(Trajectory trajectory) =>
        options.Value == DfpoValue.TwoHeaded && trajectory.Behaviour == DecodingPolicy.Negative ? 1 : 0;

    /// <inheritdoc/>
    public Tensor Loss(Tensor logprobs, TokenBatch batch, Statistics statistics)
    {
        var weights = Weights(logprobs.ToDoubles(), batch, statistics);
        return ClippedSurrogate.Loss(logprobs, batch.Logprobs, batch.Weighted(weights), clipRange, statistics);
    }

    /// <summary>The weight <c>w</c> of every token; see the remarks.</summary>
    /// <param name="current"><c>log pi_theta(a|s)</c> under the weights being updated.</param>
    /// <param name="batch">The tokens.</param>
    /// <param name="statistics">
    /// Receives <c>dfpo/advantage_positive</c> (share of tokens) and <c>dfpo/mask_positive</c>, <c>dfpo/mask_negative</c>: of the tokens
    /// with a positive (negative) advantage that the truncation keeps, the share whose push the mask let through. Of samples of masked
    /// policies also <c>dfpo/mask_skipped</c>, the share of tokens that were drawn without the mask: they are not of the policy that the
    /// loss is about, and get no push. With a budget also what <see cref="KlBudget.Thresholds"/> tells.
    /// </param>
    public double[] Weights(double[] current, TokenBatch batch, Statistics statistics)
    {
        var scale = options.ScaleAdvantages ? 1 / (RootMeanSquare(batch.Advantages) + 1e-8) : 1;
        var samples = batch.Behaviour.CountBy(kind => kind).ToDictionary();
        foreach (var name in new[] { "dfpo/mask_positive", "dfpo/mask_negative" })
            statistics.Add(name, 0, 0);
        var logRatios = LogRatios(current, batch);
        var budget = options.MaskRule == DfpoMaskRule.Budget ? KlBudget.Thresholds(logRatios, batch, options, statistics) : null;
        if (options.Behaviour == DfpoBehaviour.Masked)
            statistics.Add("dfpo/mask_skipped", batch.MaskSkipped?.Count(skipped => skipped) ?? 0, batch.Count);
        var (weights, masks) = (new double[batch.Count], new TokenMask[batch.Count]);
        statistics.Masks = masks;
        for (var t = 0; t < weights.Length; t++)
        {
            if (options.Behaviour == DfpoBehaviour.Masked && batch.MaskSkipped is { } skipped && skipped[t])
            {
                masks[t] = TokenMask.Skipped;
                continue;
            }
            var advantage = batch.Advantages[t];
            statistics.Add("dfpo/advantage_positive", advantage > 0 ? 1 : 0);
            if (advantage == 0 || !Kept(advantage, batch.Behaviour[t]))
                continue;
            var open = budget is null
                ? Open(advantage, logRatios[t], batch, t)
                : budget[t] is not { } limit || (advantage > 0 ? logRatios[t] <= limit : logRatios[t] >= limit);
            statistics.Add(advantage > 0 ? "dfpo/mask_positive" : "dfpo/mask_negative", open ? 1 : 0);
            masks[t] = open ? TokenMask.Open : TokenMask.Shut;
            if (open)
                weights[t] = advantage * scale * Share(batch.Behaviour[t]);
        }
        return weights;

        // Makes the mean over all tokens a sum of one mean a kind of sample, as the ICLR form has it; 1 for samples of the policy.
        double Share(DecodingPolicy kind) => kind == DecodingPolicy.Policy ? 1 : batch.Count / (double)samples[kind];
    }

    /// <summary>
    /// Truncation: samples of <c>pi+</c> carry <c>A+</c> alone, those of <c>pi-</c> <c>A-</c> alone, those of the policy both.
    /// </summary>
    private static bool Kept(double advantage, DecodingPolicy behaviour) =>
        behaviour switch
        {
            DecodingPolicy.Positive => advantage > 0,
            DecodingPolicy.Negative => advantage < 0,
            _ => true,
        };

    /// <summary>
    /// <c>l</c> of every token, of the weights that the mask is taken with. A reference that ran in the same pass as the policy is compared
    /// as it is.
    /// </summary>
    private double[] LogRatios(double[] current, TokenBatch batch) =>
        [
            .. current.Select(
                (now, t) =>
                    batch.CurrentKl is not null
                        ? now - batch.ReferenceLogprobs[t]
                        : batch.Logprobs[t]
                            - batch.ReferenceLogprobs[t]
                            + (options.MaskAt == DfpoMaskAt.Update ? Moved(now, batch.Logprobs[t]) : 0)
            ),
        ];

    private bool Open(double advantage, double logRatio, TokenBatch batch, int t)
    {
        if (options is { Behaviour: DfpoBehaviour.Masked, MaskAt: DfpoMaskAt.Rollout })
            return true;
        var threshold = options.MaskRule == DfpoMaskRule.KlCentred ? batch.StateKl[t] : 0.0;
        var tolerance = options.MaskRule == DfpoMaskRule.Scaled ? options.Tolerance * batch.CurrentDeviation![t] : options.Tolerance;
        return advantage > 0 ? logRatio <= threshold + tolerance : logRatio >= threshold - tolerance;
    }

    /// <summary>
    /// What the update has changed so far. Another minibatch's shapes round the same weights' numbers otherwise, which without tolerance
    /// would shut tokens that have not moved.
    /// </summary>
    private static double Moved(double current, double old) => Math.Abs(current - old) < Rounding ? 0 : current - old;

    private static double RootMeanSquare(double[] values) => Math.Sqrt(values.Average(value => value * value));
}
