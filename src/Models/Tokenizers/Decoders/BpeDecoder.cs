namespace DfPO.Models.Tokenizers.Decoders;

/// <summary><c>BPEDecoder</c>: a space for every suffix that ends a word, but the last.</summary>
internal sealed class BpeDecoder(string suffix) : IDecoder
{
    public List<string> Decode(List<string> tokens, bool begins) =>
        [.. tokens.Select((token, index) => token.Replace(suffix, index == tokens.Count - 1 ? "" : " ", StringComparison.Ordinal))];
}
