using DfPO.Models.Tokenizers.Text;

namespace DfPO.Models.Tokenizers.Decoders;

/// <summary><c>Replace</c>: something in place of every match in each token.</summary>
internal sealed class ReplaceDecoder(TextPattern pattern, string content) : IDecoder
{
    public List<string> Decode(List<string> tokens, bool begins) => tokens.ConvertAll(token => pattern.Replace(token, content));
}
