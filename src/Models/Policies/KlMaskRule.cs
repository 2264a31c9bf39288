namespace DfPO.Models.Policies;

/// <summary>Threshold that the log-ratio <c>l = log pi_theta - log pi_0</c> is compared with.</summary>
public enum KlMaskRule
{
    /// <summary>Zero: the rule of the paper.</summary>
    Sign,

    /// <summary>
    /// <c>KL(pi_theta || pi_0)</c> at the state, which makes both halves of an update non-increasing in KL to first order.
    /// </summary>
    KlCentred,

    /// <summary>
    /// Zero, with a tolerance in standard deviations of <c>l</c> over the policy at the state: the same share of tokens however far the
    /// policies are apart.
    /// </summary>
    Scaled,
}
