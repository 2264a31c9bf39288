using DfPO.Models.Tokenizers.Text;

namespace DfPO.Models.Tokenizers.Normalizers;

/// <summary><c>NFC</c>, <c>NFD</c>, <c>NFKC</c>, <c>NFKD</c>.</summary>
internal sealed class UnicodeNormalizer(bool compatible, bool compose) : INormalizer
{
    public string Normalize(string text) => UnicodeNormalization.Normalize(text, compatible, compose);
}
