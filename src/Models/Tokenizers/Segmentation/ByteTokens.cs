using System.Globalization;
using System.Text;

namespace DfPO.Models.Tokenizers.Segmentation;

/// <summary>The tokens <c>&lt;0x00&gt;</c> to <c>&lt;0xFF&gt;</c> that stand for the bytes of characters which are no tokens.</summary>
internal sealed class ByteTokens(Vocabulary vocabulary)
{
    private readonly int?[] _ids = [.. Enumerable.Range(0, 256).Select(value => vocabulary.Id($"<0x{value:X2}>"))];

    /// <summary>The byte of such a token; null for another.</summary>
    public static byte? ByteOf(string token) =>
        token.Length == 6
        && token.StartsWith("<0x", StringComparison.Ordinal)
        && token[5] == '>'
        && byte.TryParse(token.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value)
            ? value
            : null;

    /// <summary>Adds the tokens of a text's UTF-8, if all of its bytes are tokens.</summary>
    /// <returns>Whether they are.</returns>
    public bool TryAppend(ReadOnlySpan<char> text, List<int> ids)
    {
        var utf8 = new byte[Encoding.UTF8.GetMaxByteCount(text.Length)];
        var bytes = utf8.AsSpan(0, Encoding.UTF8.GetBytes(text, utf8));
        foreach (var value in bytes)
            if (_ids[value] is null)
                return false;
        foreach (var value in bytes)
            ids.Add(_ids[value]!.Value);
        return true;
    }
}
