using System.Text;
using DfPO.Models.Tokenizers.Normalizers;
using DfPO.Models.Tokenizers.Text;

namespace DfPO.Models.Tokenizers.AddedTokens;

/// <summary>The tokens that are found in a text before it is cut up.</summary>
internal sealed class AddedVocabulary
{
    private readonly INormalizer _normalizer;
    private readonly TokenTrie _raw,
        _normalized;
    private readonly Dictionary<int, AddedToken> _byId;
    private readonly HashSet<string> _special;

    public AddedVocabulary(IReadOnlyList<AddedToken> tokens, INormalizer normalizer)
    {
        (_normalizer, _byId) = (normalizer, tokens.ToDictionary(token => token.Id));
        _special = [.. tokens.Where(token => token.Special).Select(token => token.Content)];
        // As in HF's tokenizers special tokens come first where two read the same.
        var ordered = tokens.OrderBy(token => !token.Special).ToArray();
        _raw = new TokenTrie(ordered.Where(token => !token.Normalized).Select(token => (token.Content, token)));
        _normalized = new TokenTrie(ordered.Where(token => token.Normalized).Select(token => (normalizer.Normalize(token.Content), token)));
    }

    /// <summary>All of them, by id.</summary>
    public IReadOnlyDictionary<int, AddedToken> Tokens => _byId;

    /// <summary>Whether a text is that of a special token.</summary>
    public bool IsSpecial(string token) => _special.Contains(token);

    /// <summary>Parts a text into added tokens and normalised rest.</summary>
    /// <param name="text">Well-formed.</param>
    /// <param name="splitSpecial">Whether special tokens are left to be cut up as text.</param>
    public IEnumerable<AddedPart> Extract(string text, bool splitSpecial)
    {
        foreach (var raw in Split(text, _raw, splitSpecial))
        {
            if (raw.Token is not null)
            {
                yield return raw;
                continue;
            }
            foreach (var part in Split(_normalizer.Normalize(raw.Text), _normalized, splitSpecial))
                yield return part with
                {
                    IsFirst = part.IsFirst && raw.IsFirst,
                };
        }
    }

    private static List<AddedPart> Split(string text, TokenTrie trie, bool splitSpecial)
    {
        var parts = new List<AddedPart>();
        var end = 0;
        for (var from = 0; trie.Find(text, from) is var (start, stop, token);)
        {
            from = stop;
            if ((splitSpecial && token.Special) || (token.SingleWord && !StandsAlone(text, start, stop)))
                continue;
            while (token.LeftStrip && start > end && char.IsWhiteSpace(text[start - 1]))
                start--;
            while (token.RightStrip && stop < text.Length && char.IsWhiteSpace(text[stop]))
                stop++;
            if (start > end)
                parts.Add(new AddedPart(text[end..start], null, end == 0));
            parts.Add(new AddedPart("", token, start == 0));
            end = stop;
        }
        if (end < text.Length)
            parts.Add(new AddedPart(end == 0 ? text : text[end..], null, end == 0));
        return parts;
    }

    private static bool StandsAlone(string text, int start, int stop)
    {
        var before =
            start == 0
            || (
                Rune.DecodeLastFromUtf16(text.AsSpan(0, start), out var last, out _) == System.Buffers.OperationStatus.Done
                && !Characters.IsWord(last)
            );
        return before && (stop == text.Length || !Characters.IsWord(Rune.GetRuneAt(text, stop)));
    }
}

/// <summary>A part of a text.</summary>
/// <param name="Text">The part, where it is no token.</param>
/// <param name="Token">The token; null for text.</param>
/// <param name="IsFirst">Whether the whole text begins with it.</param>
internal sealed record AddedPart(string Text, AddedToken? Token, bool IsFirst);
