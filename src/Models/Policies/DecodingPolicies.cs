namespace DfPO.Models.Policies;

/// <summary>The names of decoding policies, the same in files, metrics, units, spans and on the command line.</summary>
public static class DecodingPolicies
{
    /// <summary>All of them, in the order in which help lists them.</summary>
    public static IReadOnlyList<DecodingPolicy> All { get; } = [DecodingPolicy.Policy, DecodingPolicy.Negative, DecodingPolicy.Positive];

    /// <summary>As keys and files write it: <c>policy</c>, <c>positive</c> or <c>negative</c>.</summary>
    public static string Name(this DecodingPolicy policy) =>
        policy switch
        {
            DecodingPolicy.Policy => "policy",
            DecodingPolicy.Positive => "positive",
            _ => "negative",
        };

    /// <summary>As the literature writes it: <c>pi_theta</c>, <c>pi+</c> or <c>pi-</c>.</summary>
    public static string Symbol(this DecodingPolicy policy) =>
        policy switch
        {
            DecodingPolicy.Policy => "pi_theta",
            DecodingPolicy.Positive => "pi+",
            _ => "pi-",
        };

    /// <summary>The policy with this name or symbol; null where there is none.</summary>
    public static DecodingPolicy? Find(string text) =>
        All.Where(policy => text == policy.Name() || text == policy.Symbol()).Select(policy => (DecodingPolicy?)policy).FirstOrDefault();
}
