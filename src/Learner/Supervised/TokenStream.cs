namespace DfPO.Learner.Supervised;

/// <summary>Documents as one row of token ids, each followed by the end-of-text token, from which blocks are cut.</summary>
public sealed class TokenStream
{
    private readonly int[] _tokens;

    private TokenStream(int[] tokens, long words) => (_tokens, Words) = (tokens, words);

    /// <summary>Tokens in all.</summary>
    public int Count => _tokens.Length;

    /// <summary>White-space separated words of the documents, for a perplexity per word.</summary>
    public long Words { get; }

    /// <summary>Encodes documents in the order given.</summary>
    public static TokenStream Encode(IEnumerable<string> documents, Func<string, int[]> encode, int eosTokenId)
    {
        var tokens = new List<int>();
        var words = 0L;
        foreach (var document in documents)
        {
            tokens.AddRange(encode(document));
            tokens.Add(eosTokenId);
            words += document.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Length;
        }
        return new TokenStream([.. tokens], words);
    }

    /// <summary>
    /// The block of <paramref name="length"/> + 1 tokens that starts at <paramref name="start"/>: inputs and, shifted by one, targets.
    /// </summary>
    public ReadOnlySpan<int> Block(int start, int length) => _tokens.AsSpan(start, Math.Min(length + 1, _tokens.Length - start));
}
