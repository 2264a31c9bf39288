using System.Text;

namespace DfPO.Models.Tokenizers.Text;

/// <summary>The visible characters that stand for bytes in byte-level vocabularies (GPT-2's <c>bytes_to_unicode</c>).</summary>
internal static class ByteCharacters
{
    private static readonly string s_characters = Make();
    private static readonly Dictionary<char, byte> s_bytes = s_characters
        .Select((character, value) => (character, value))
        .ToDictionary(pair => pair.character, pair => (byte)pair.value);

    /// <summary>By byte.</summary>
    public static IReadOnlyList<string> All { get; } = [.. s_characters.Select(character => character.ToString())];

    /// <summary>A text's UTF-8 bytes as characters.</summary>
    public static string Encode(string text)
    {
        if (text.AsSpan().IndexOfAnyExceptInRange('!', '~') < 0)
            return text;
        var bytes = Encoding.UTF8.GetBytes(text);
        return string.Create(bytes.Length, bytes, static (characters, bytes) =>
        {
            for (var at = 0; at < bytes.Length; at++)
                characters[at] = s_characters[bytes[at]];
        });
    }

    /// <summary>Appends the bytes of a token; those of its UTF-8 when it has a character that stands for no byte.</summary>
    public static void Decode(string token, List<byte> into)
    {
        var start = into.Count;
        foreach (var character in token)
        {
            if (!s_bytes.TryGetValue(character, out var value))
            {
                into.RemoveRange(start, into.Count - start);
                into.AddRange(Encoding.UTF8.GetBytes(token));
                return;
            }
            into.Add(value);
        }
    }

    /// <summary>The character of each byte: itself where it is visible, else the next one from 256 on.</summary>
    private static string Make()
    {
        var next = 256;
        return string.Concat(
            Enumerable.Range(0, 256).Select(value => value is (> 32 and < 127) or (> 160 and < 173) or > 173 ? (char)value : (char)next++)
        );
    }
}
