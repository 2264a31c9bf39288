using DfPO.Models.Tokenizers.Text;

namespace DfPO.Models.Tokenizers.Normalizers;

/// <summary><c>ByteLevel</c>: the characters that stand for the text's bytes.</summary>
internal sealed class ByteLevelNormalizer : INormalizer
{
    public string Normalize(string text) => ByteCharacters.Encode(text);
}
