namespace DfPO.Models.Tokenizers.Decoders;

/// <summary>
/// <c>WordPiece</c>: a space between words, the prefix of what goes on with one away, and the spaces that English does not write, token by
/// token.
/// </summary>
internal sealed class WordPieceDecoder(string prefix, bool cleanUp) : IDecoder
{
    public List<string> Decode(List<string> tokens, bool begins) =>
        [
            .. tokens.Select(
                (token, index) =>
                {
                    if (!begins || index > 0)
                        token = token.StartsWith(prefix, StringComparison.Ordinal) ? token[prefix.Length..] : " " + token;
                    return cleanUp ? CleanUp.OfToken(token) : token;
                }
            ),
        ];
}
