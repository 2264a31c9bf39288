using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Microsoft.ML.Tokenizers;

namespace DfPO.Models.Tokenizers;

/// <summary>Cuts a text into the matches of a pattern and what stands between them, as HF's <c>Split</c> that isolates.</summary>
internal sealed class SplitPreTokenizer(Regex pattern) : PreTokenizer
{
    // By category, a character of two bytes that no pattern names.
    private static readonly char[] s_standIns = [.. Enum.GetValues<UnicodeCategory>().Order().Select(category => (char)Enumerable.Range(0x80, 0xFF00).FirstOrDefault(value => char.GetUnicodeCategory((char)value) == category))];

    public override IEnumerable<(int Offset, int Length)> PreTokenize(ReadOnlySpan<char> text) => PreTokenize(text.ToString());

    /// <remarks>A pattern's characters are code points, .NET's are halves of those beyond 16 bits: while it cuts, others of their category stand in their places.</remarks>
    public override IEnumerable<(int Offset, int Length)> PreTokenize(string text)
    {
        if (text.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF') < 0)
            return Cut(text);
        var (places, starts) = (new StringBuilder(text.Length), new List<int>(text.Length + 1));
        for (var at = 0; at < text.Length;)
        {
            var pair = Rune.TryGetRuneAt(text, at, out var rune) && !rune.IsBmp;
            places.Append(pair ? s_standIns[(int)Rune.GetUnicodeCategory(rune)] : text[at]);
            starts.Add(at);
            at += pair ? 2 : 1;
        }
        starts.Add(text.Length);
        return Cut(places.ToString()).ConvertAll(piece => (starts[piece.Offset], starts[piece.Offset + piece.Length] - starts[piece.Offset]));
    }

    private List<(int Offset, int Length)> Cut(string text)
    {
        var pieces = new List<(int, int)>();
        var end = 0;
        foreach (var match in pattern.EnumerateMatches(text))
        {
            if (match.Index > end)
                pieces.Add((end, match.Index - end));
            if (match.Length > 0)
                pieces.Add((match.Index, match.Length));
            end = match.Index + match.Length;
        }
        if (end < text.Length)
            pieces.Add((end, text.Length - end));
        return pieces;
    }
}
