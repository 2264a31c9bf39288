namespace DfPO.Models.Tokenizers.Normalizers;

/// <summary><c>Prepend</c>: something in front of every text that is not empty.</summary>
internal sealed class PrependNormalizer(string front) : INormalizer
{
    public string Normalize(string text) => text.Length > 0 ? front + text : text;
}
