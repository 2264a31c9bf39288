namespace DfPO.Models.Tokenizers.Normalizers;

/// <summary><c>Strip</c>: white space away from the ends.</summary>
internal sealed class StripNormalizer(bool left, bool right) : INormalizer
{
    public string Normalize(string text)
    {
        text = left ? text.TrimStart() : text;
        return right ? text.TrimEnd() : text;
    }
}
