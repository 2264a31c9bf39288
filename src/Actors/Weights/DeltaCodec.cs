namespace DfPO.Actors.Weights;
internal static class DeltaCodec { public static int MaxEncodedLength(int n) => n + 1; }
