namespace DfPO.Models.Tokenizers;

/// <summary>The merges that lead to SentencePiece's BPE tokens: of each token all cuts into two others, the best score first.</summary>
internal static class ScoredMerges
{
    public static IEnumerable<(string Left, string Right)> Of(IReadOnlyList<string> tokens, IReadOnlyList<double> scores)
    {
        var ids = new Dictionary<string, int>(tokens.Count);
        foreach (var (id, token) in tokens.Index())
            ids.TryAdd(token, id);
        var find = ids.GetAlternateLookup<ReadOnlySpan<char>>();
        var merges = new List<(int Whole, int Left, int Right)>();
        foreach (var (id, token) in tokens.Index())
            for (var cut = 1; cut < token.Length; cut++)
                if (find.TryGetValue(token.AsSpan(0, cut), out var left) && find.TryGetValue(token.AsSpan(cut), out var right))
                    merges.Add((id, left, right));
        return merges
            .OrderByDescending(merge => scores[merge.Whole])
            .ThenBy(merge => merge.Whole)
            .ThenBy(merge => merge.Left)
            .ThenBy(merge => merge.Right)
            .Select(merge => (tokens[merge.Left], tokens[merge.Right]));
    }
}
