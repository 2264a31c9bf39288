namespace DfPO.Models.Tokenizers.Decoders;

/// <summary><c>Fuse</c>: everything as one part.</summary>
internal sealed class FuseDecoder : IDecoder
{
    public List<string> Decode(List<string> tokens, bool begins) => [string.Concat(tokens)];
}
