namespace DfPO.Models.Tokenizers.Decoders;

/// <summary>
/// <c>Metaspace</c>: a space for every mark, and nothing for those of the first token of a text where one was put in front.
/// </summary>
internal sealed class MetaspaceDecoder(string mark, bool prefixed) : IDecoder
{
    public List<string> Decode(List<string> tokens, bool begins) =>
        [.. tokens.Select((token, index) => token.Replace(mark, begins && prefixed && index == 0 ? "" : " ", StringComparison.Ordinal))];
}
