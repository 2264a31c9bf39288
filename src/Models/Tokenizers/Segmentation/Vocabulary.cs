namespace DfPO.Models.Tokenizers.Segmentation;

/// <summary>The tokens of a model and their ids, which may have gaps.</summary>
internal sealed class Vocabulary
{
    // Ids are taken for rows of an embedding.
    private const int MostIds = 1 << 21;
    private readonly Dictionary<string, int> _ids;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _find;
    private readonly string?[] _tokens;

    private Vocabulary(Dictionary<string, int> ids)
    {
        (_ids, _find) = (ids, ids.GetAlternateLookup<ReadOnlySpan<char>>());
        _tokens = new string?[ids.Count == 0 ? 0 : ids.Values.Max() + 1];
        foreach (var (token, id) in ids)
            _tokens[id] = token;
    }

    /// <summary>Number of tokens.</summary>
    public int Count => _ids.Count;

    /// <summary>One more than the largest id.</summary>
    public int End => _tokens.Length;

    /// <summary>The vocabulary of a field.</summary>
    /// <param name="field">For errors.</param>
    /// <param name="tokens">Tokens and their ids.</param>
    /// <exception cref="DfpoException"><c>tokenizer/corrupt</c>.</exception>
    public static Vocabulary Create(JsonField field, IEnumerable<(string Token, int Id)> tokens)
    {
        var ids = new Dictionary<string, int>();
        var seen = new HashSet<int>();
        foreach (var (token, id) in tokens)
        {
            if (id is < 0 or >= MostIds || !seen.Add(id))
                throw TokenizerFiles.Corrupt(
                    field.File,
                    $"field '{field.Name}' gives token '{token}' the id {id}, which is another token's, negative, or beyond {MostIds}"
                );
            if (!ids.TryAdd(token, id))
                throw TokenizerFiles.Corrupt(field.File, $"field '{field.Name}' has token '{token}' twice");
        }
        return new Vocabulary(ids);
    }

    public int? Id(ReadOnlySpan<char> token) => _find.TryGetValue(token, out var id) ? id : null;

    public string? Token(int id) => (uint)id < (uint)_tokens.Length ? _tokens[id] : null;

    public IEnumerable<string> Tokens => _ids.Keys;
}
