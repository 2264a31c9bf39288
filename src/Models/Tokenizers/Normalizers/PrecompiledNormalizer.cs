using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace DfPO.Models.Tokenizers.Normalizers;

/// <summary><c>Precompiled</c>: SentencePiece's map of characters.</summary>
/// <remarks>
/// The map is the size of a double array, little-endian, the array (Darts-clone: a trie whose values are offsets), and the replacements, each with
/// a 0 behind it. As HF's tokenizers, a short grapheme is looked up as a whole, where its shortest prefix in the map replaces all of it; a longer
/// one, or one that is not found, character by character.
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

    /// <summary>What the shortest prefix of a key in the map becomes; null for none.</summary>
    private string? Find(ReadOnlySpan<byte> key)
    {
        var node = Below(_units[0]);
        foreach (var value in key)
        {
            node ^= value;
            if (value == 0 || node >= _units.Length || (_units[node] & 0x8000_00FF) != value)
                return null;
            var unit = _units[node];
            node ^= Below(unit);
            if ((unit & 0x100) == 0)
                continue;
            var start = node < _units.Length ? (int)(_units[node] & 0x7FFF_FFFF) : int.MaxValue;
            if (start >= _replacements.Length)
                return null;
            var rest = _replacements.AsSpan(start);
            var end = rest.IndexOf((byte)0);
            return Encoding.UTF8.GetString(end < 0 ? rest : rest[..end]);
        }
        return null;

        static uint Below(uint unit) => (unit >> 10) << (int)((unit & 0x200) >> 6);
    }
}
