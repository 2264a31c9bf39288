namespace DfPO.Models.Policies;

/// <summary>Which distribution tokens are drawn from: the policy itself, or one of the two KL-masked policies of DfPO.</summary>
public enum DecodingPolicy
{
    /// <summary><c>pi_theta</c>, unmasked.</summary>
    Policy,

    /// <summary>
    /// <c>pi+</c>: <c>pi_theta</c> restricted to tokens with <c>log pi_theta - log pi_0 &lt;= threshold + tau</c>, renormalised.
    /// </summary>
    Positive,

    /// <summary>
    /// <c>pi-</c>: <c>pi_theta</c> restricted to tokens with <c>log pi_theta - log pi_0 &gt;= threshold - tau</c>, renormalised.
    /// </summary>
    Negative,
}
