using DfPO.Models.Tokenizers.Text;

namespace DfPO.Models.Tokenizers.Normalizers;

/// <summary><c>Lowercase</c>, character by character.</summary>
internal sealed class LowercaseNormalizer : INormalizer
{
    public string Normalize(string text) => Characters.Lower(text);
}
