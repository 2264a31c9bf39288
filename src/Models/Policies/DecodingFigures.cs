namespace DfPO.Models.Policies;

/// <summary>
/// How a decoding distribution <c>q</c>, which is what is really drawn from (masked, filtered, tempered, renormalised), stands to the
/// reference model <c>pi_0</c>: exact at each state, over the whole vocabulary, and summed over states, in nats.
/// </summary>
/// <param name="CrossEntropy"><c>-sum_a q(a) log pi_0(a)</c>.</param>
/// <param name="Kl"><c>sum_a q(a) (log q(a) - log pi_0(a))</c>.</param>
public readonly record struct DecodingFigures(double CrossEntropy, double Kl)
{
    /// <summary><c>-sum_a q(a) log q(a)</c>, which is the cross-entropy less the KL.</summary>
    public double Entropy => CrossEntropy - Kl;

    /// <summary>Both of two states or texts.</summary>
    public static DecodingFigures operator +(DecodingFigures a, DecodingFigures b) => new(a.CrossEntropy + b.CrossEntropy, a.Kl + b.Kl);
}
