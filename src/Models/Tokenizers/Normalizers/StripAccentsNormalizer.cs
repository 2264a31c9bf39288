using System.Text;
using DfPO.Models.Tokenizers.Text;

namespace DfPO.Models.Tokenizers.Normalizers;

/// <summary><c>StripAccents</c>: combining marks of every kind away; composed characters stay.</summary>
internal sealed class StripAccentsNormalizer : INormalizer
{
    public string Normalize(string text)
    {
        var rest = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
            if (!Characters.IsMark(rune))
                rest.Append(rune);
        return rest.ToString();
    }
}
