namespace DfPO.Actors.Weights;

/// <summary>A version of the policy's weights and where to fetch it. Two references with the same digest are the same weights.</summary>
/// <param name="Version">Finished iterations of the weights.</param>
/// <param name="Digest">Digest of the safetensors bytes as <see cref="WeightsDigest"/> defines it, lower-case hexadecimal.</param>
/// <param name="Length">Bytes.</param>
/// <param name="Url">HTTP address of the bytes on the bulk channel.</param>
/// <param name="Dtype">Dtype of the bytes (<c>float32</c>, <c>bfloat16</c>, <c>float16</c>): the weights that serve, and so the policy that rollout log-probabilities belong to. Empty when not stated.</param>
public sealed record WeightsRef(int Version, string Digest, long Length, string Url, string Dtype = "");
