using System.Runtime.InteropServices;
using System.Text;
using DfPO.Models.Tokenizers.Text;

namespace DfPO.Models.Tokenizers.Decoders;

/// <summary><c>ByteLevel</c>: the bytes that the tokens' characters stand for, U+FFFD for each sequence that is not UTF-8.</summary>
internal sealed class ByteLevelDecoder : IDecoder
{
    public List<string> Decode(List<string> tokens, bool begins)
    {
        var bytes = new List<byte>();
        foreach (var token in tokens)
            ByteCharacters.Decode(token, bytes);
        return [Encoding.UTF8.GetString(CollectionsMarshal.AsSpan(bytes))];
    }
}
