namespace DfPO.Actors.Weights;

/// <summary>A version of the policy's weights and where to fetch it. Two references with the same digest are the same weights.</summary>
/// <param name="Version">Finished iterations of the weights.</param>
/// <param name="Digest">Digest of the safetensors bytes as <see cref="WeightsDigest"/> defines it, lower-case hexadecimal.</param>
/// <param name="Length">Bytes.</param>
/// <param name="Url">HTTP address of the bytes on the bulk channel.</param>
/// <param name="Dtype">Dtype of the bytes (<c>float32</c>, <c>bfloat16</c>, <c>float16</c>): the weights that serve, and so the policy that
/// rollout log-probabilities belong to. Empty when not stated.</param>
public sealed record WeightsRef(int Version, string Digest, long Length, string Url, string Dtype = "")
{
    /// <summary>
    /// Weights of the mask policy that these are drawn under; null where there is none, or where the reference model is it.
    /// </summary>
    public WeightsRef? Mask { get; init; }

    /// <summary>What an engine must hold to draw with these, as one text.</summary>
    public string Needed => NeededOf(Digest, Mask?.Digest ?? "");

    /// <summary>See <see cref="Needed"/>.</summary>
    /// <param name="policy">Digest of the policy's weights; empty for none.</param>
    /// <param name="mask">Digest of the mask policy's weights; empty for none.</param>
    public static string NeededOf(string policy, string mask) => policy.Length == 0 || mask.Length == 0 ? policy : $"{policy}+{mask}";
}
