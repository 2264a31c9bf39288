using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace DfPO.Models.Tokenizers.Text;

/// <summary>A pattern of Oniguruma, the engine of HF's tokenizers, matched as that does.</summary>
/// <remarks>
/// A pattern's characters are code points, .NET's are halves of those beyond 16 bits: while it looks, others of their category, which the
/// pattern names nowhere, stand in their places. A match that takes too long is refused rather than waited for.
/// </remarks>
internal sealed class RegexPattern : TextPattern
{
    private const int MostKept = 64;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);
    private static readonly ConcurrentDictionary<string, RegexPattern> s_known = new();

    // By category, characters of 16 bits.
    private static readonly Lazy<ILookup<UnicodeCategory, char>> s_byCategory = new(() =>
        Enumerable
            .Range(0x80, 0xFF7E)
            .Where(value => value is < 0xD800 or > 0xDFFF)
            .Select(value => (char)value)
            .ToLookup(char.GetUnicodeCategory)
    );

    private readonly string _pattern;
    private readonly Regex _regex;
    private readonly Lazy<Dictionary<UnicodeCategory, char>> _standIns;

    private RegexPattern(string pattern, OnigurumaPattern translated, TimeSpan patience)
    {
        _pattern = pattern;
        _regex = new Regex(translated.DotNet, RegexOptions.CultureInvariant | RegexOptions.Compiled, patience);
        _standIns = new(() =>
            s_byCategory.Value.ToDictionary(
                group => group.Key,
                group => group.Where(character => !translated.Names(character)).DefaultIfEmpty('\uFFFF').First()
            )
        );
    }

    /// <summary>The pattern.</summary>
    /// <exception cref="FormatException">It may mean something else to .NET, with the reason.</exception>
    public static RegexPattern Of(string pattern)
    {
        if (s_known.TryGetValue(pattern, out var known))
            return known;
        var made = Of(pattern, s_patience);
        if (s_known.Count < MostKept)
            s_known.TryAdd(pattern, made);
        return made;
    }

    /// <summary>The pattern, with so much time for one match.</summary>
    /// <exception cref="FormatException">As above.</exception>
    internal static RegexPattern Of(string pattern, TimeSpan patience) => new(pattern, OnigurumaPattern.Parse(pattern), patience);

    public override List<(int Start, int Length)> Matches(string text)
    {
        try
        {
            if (text.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF') < 0)
                return Find(text);
            var (places, starts) = (new StringBuilder(text.Length), new List<int>(text.Length + 1));
            for (var at = 0; at < text.Length;)
            {
                var rune = Rune.GetRuneAt(text, at);
                places.Append(rune.IsBmp ? text[at] : _standIns.Value.GetValueOrDefault(Rune.GetUnicodeCategory(rune), '\uFFFF'));
                starts.Add(at);
                at += rune.Utf16SequenceLength;
            }
            starts.Add(text.Length);
            return Find(places.ToString())
                .ConvertAll(match => (starts[match.Start], starts[match.Start + match.Length] - starts[match.Start]));
        }
        catch (RegexMatchTimeoutException e)
        {
            throw new DfpoException(
                "tokenizer/pattern",
                $"The pattern '{_pattern}' of a tokenizer takes more than {_regex.MatchTimeout.TotalSeconds} s for one match: its repetitions have too many ways to match a text of {text.Length} characters.",
                e
            );
        }
    }

    private List<(int Start, int Length)> Find(string text)
    {
        var matches = new List<(int, int)>();
        foreach (var match in _regex.EnumerateMatches(text))
            if (match.Length > 0)
                matches.Add((match.Index, match.Length));
        return matches;
    }
}
