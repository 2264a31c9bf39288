namespace DfPO.Learner.Objectives;

/// <summary>
/// The rule <see cref="DfpoMaskRule.Budget"/> [D]: a bound on a continuation's divergence instead of one on each token's.
/// </summary>
/// <remarks>
/// <c>K_i = mean_t KL(pi_theta || pi_0)(s_t)</c> over the tokens of continuation i, under the weights being updated, without a gradient.
/// While <c>K_i &lt;= delta</c> nothing is masked; beyond it a push is kept where, to first order, it lowers the divergence: up where
/// <c>l &lt;= KL(s)</c>, down where <c>l >= KL(s)</c> (<c>dKL/d eta = sum_a pi_a w_a (l_a - KL(s))</c>). With <c>delta = 0</c> that is the
/// rule <see cref="DfpoMaskRule.KlCentred"/> at all times, with <c>delta = infinity</c> the plain clipped policy gradient. The sampled form
/// takes <c>K_i = mean_t k3_t</c>, <c>k3 = exp(-l) - 1 + l</c>, and the same number in place of <c>KL(s)</c>.
/// </remarks>
internal static class KlBudget
{
    /// <summary>What a token's <c>l</c> is compared with; null where nothing is masked.</summary>
    /// <param name="logRatios"><c>l</c> of every token under the weights being updated.</param>
    /// <param name="batch">The minibatch.</param>
    /// <param name="options">Budget and form.</param>
    /// <param name="statistics">Receives <c>dfpo/kl_budget_used</c>, the mean of <c>K_i</c>, nats a token, and <c>dfpo/over_budget</c>, the
    /// share of continuations whose pushes are masked.</param>
    public static double?[] Thresholds(double[] logRatios, TokenBatch batch, DfpoOptions options, Statistics statistics)
    {
        var exact = options.BudgetForm == BudgetForm.Exact;
        double[] divergences = exact ? batch.CurrentKl! : [.. logRatios.Select(l => KlEstimators.K3([l]))];
        var thresholds = new double?[batch.Count];
        var whole = options.BudgetOver == BudgetOver.Minibatch ? divergences.Average() : (double?)null;
        foreach (var sequence in batch.Sequences)
        {
            var used = divergences.AsSpan(sequence.Start, sequence.Length).ToArray().Average();
            var held = whole ?? used;
            var over = held > options.KlBudget;
            statistics.Add("dfpo/kl_budget_used", used);
            statistics.Add("dfpo/over_budget", over ? 1 : 0);
            for (var t = sequence.Start; over && t < sequence.Start + sequence.Length; t++)
                thresholds[t] = exact ? divergences[t] : held;
        }
        return thresholds;
    }
}
