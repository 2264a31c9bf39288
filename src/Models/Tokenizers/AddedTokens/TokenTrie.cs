using System.Buffers;

namespace DfPO.Models.Tokenizers.AddedTokens;

/// <summary>Finds the first of some texts in another, and of those that begin there the longest.</summary>
internal sealed class TokenTrie
{
    private readonly Node _root = new();
    private readonly SearchValues<char> _first;

    /// <param name="texts">Texts with something to tell them by; of equal ones the first counts.</param>
    public TokenTrie(IEnumerable<(string Text, AddedToken Token)> texts)
    {
        foreach (var (text, token) in texts)
        {
            if (text.Length == 0)
                continue;
            var node = _root;
            foreach (var character in text)
            {
                if (!node.Next.TryGetValue(character, out var next))
                    node.Next.Add(character, next = new Node());
                node = next;
            }
            node.Token ??= token;
        }
        _first = SearchValues.Create([.. _root.Next.Keys]);
    }

    /// <summary>The first match at or behind a place; null for none.</summary>
    public (int Start, int End, AddedToken Token)? Find(string text, int from)
    {
        while (from < text.Length)
        {
            var next = text.AsSpan(from).IndexOfAny(_first);
            if (next < 0)
                return null;
            from += next;
            (int, int, AddedToken)? longest = null;
            var node = _root;
            for (var at = from; at < text.Length && node.Next.TryGetValue(text[at], out node); at++)
                if (node.Token is { } token)
                    longest = (from, at + 1, token);
            if (longest is not null)
                return longest;
            from++;
        }
        return null;
    }

    private sealed class Node
    {
        public Dictionary<char, Node> Next { get; } = [];

        public AddedToken? Token { get; set; }
    }
}
