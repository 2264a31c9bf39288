using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace DfPO.Models.Tokenizers.Normalizers;

/// <summary><c>Precompiled</c>: SentencePiece's map of characters.</summary>
/// <remarks>
/// The map is the size of a double array, little-endian, the array (Darts-clone: a trie whose values are offsets), and the replacements,
/// each with a 0 behind it. As HF's tokenizers, a short grapheme is looked up as a whole, where its shortest prefix in the map replaces all
/// of it; a longer one, or one that is not found, character by character.
/// </remarks>
internal sealed class PrecompiledNormalizer : INormalizer
{
    private const int LongestWhole = 5;
    private readonly uint[] _units;
    private readonly byte[] _replacements;

    /// <exception cref="FormatException">It is no such map.</exception>
    public PrecompiledNormalizer(ReadOnlySpan<byte> map)
    {
        var size = map.Length < 4 ? 0 : BinaryPrimitives.ReadInt32LittleEndian(map);
        if (size < 4 || size % 4 != 0 || size > map.Length - 4)
            throw new FormatException("it is no map of characters");
        _units = MemoryMarshal.Cast<byte, uint>(map[4..(4 + size)]).ToArray();
        _replacements = map[(4 + size)..].ToArray();
    }

    public string Normalize(string text)
    {
        var result = new StringBuilder(text.Length);
        Span<byte> utf8 = stackalloc byte[LongestWhole];
        for (int at = 0, length; at < text.Length; at += length)
        {
            length = StringInfo.GetNextTextElementLength(text, at);
            var grapheme = text.AsSpan(at, length);
            if (Encoding.UTF8.TryGetBytes(grapheme, utf8, out var bytes) && Find(utf8[..bytes]) is { } whole)
            {
                result.Append(whole);
                continue;
            }
            foreach (var rune in grapheme.EnumerateRunes())
                result.Append(Find(utf8[..rune.EncodeToUtf8(utf8)]) ?? rune.ToString());
        }
        return result.ToString();
    }

    /// <summary>As SentencePiece itself: everywhere the longest match in the map.</summary>
    public string NormalizeLongest(string text)
    {
        ReadOnlySpan<byte> utf8 = Encoding.UTF8.GetBytes(text);
        var result = new StringBuilder(text.Length);
        while (utf8.Length > 0)
        {
            (int Length, int Start)? longest = null;
            foreach (var match in Prefixes(utf8))
                longest = match;
            Rune.DecodeFromUtf8(utf8, out var rune, out var length);
            if (longest is { } found)
                (_, length) = (result.Append(Replacement(found.Start)), found.Length);
            else
                result.Append(rune);
            utf8 = utf8[length..];
        }
        return result.ToString();
    }

    /// <summary>What the shortest prefix of a key in the map becomes; null for none.</summary>
    private string? Find(ReadOnlySpan<byte> key)
    {
        foreach (var (_, start) in Prefixes(key))
            return Replacement(start);
        return null;
    }

    private string Replacement(int start)
    {
        var rest = _replacements.AsSpan(start);
        var end = rest.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? rest : rest[..end]);
    }

    /// <summary>The prefixes of a key in the map, the shortest first: their lengths, and where their replacements start.</summary>
    private List<(int Length, int Start)> Prefixes(ReadOnlySpan<byte> key)
    {
        List<(int, int)> found = [];
        var node = Below(_units[0]);
        for (var at = 0; at < key.Length; at++)
        {
            node ^= key[at];
            if (key[at] == 0 || node >= _units.Length || (_units[node] & 0x8000_00FF) != key[at])
                break;
            var unit = _units[node];
            node ^= Below(unit);
            if ((unit & 0x100) != 0 && node < _units.Length && (_units[node] & 0x7FFF_FFFF) is var start && start < _replacements.Length)
                found.Add((at + 1, (int)start));
        }
        return found;

        static uint Below(uint unit) => (unit >> 10) << (int)((unit & 0x200) >> 6);
    }
}
