namespace DfPO.Actors.Weights;

/// <summary>A version of the policy's weights and where to fetch it. Two references with the same digest are the same weights.</summary>
/// <param name="Version">Finished iterations of the weights.</param>
/// <param name="Digest">SHA-256 of the safetensors bytes, lower-case hexadecimal.</param>
/// <param name="Length">Bytes.</param>
/// <param name="Url">HTTP address of the bytes on the bulk channel.</param>
public sealed record WeightsRef(int Version, string Digest, long Length, string Url);
