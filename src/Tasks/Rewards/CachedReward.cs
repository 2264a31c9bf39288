using DfPO.Tasks.Prompts;

namespace DfPO.Tasks.Rewards;

/// <summary>
/// Asks a reward for each text once, as long as the text is among those seen last. For rewards whose score depends on the text alone.
/// </summary>
/// <param name="reward">The reward, which this one owns.</param>
/// <param name="capacity">Scores that are kept, at least 1.</param>
public sealed class CachedReward(IReward reward, int capacity) : IReward
{
    private readonly Dictionary<string, LinkedListNode<(string Key, float[] Scores)>> _known = [];
    private readonly LinkedList<(string Key, float[] Scores)> _recent = [];

    /// <inheritdoc/>
    public IReadOnlyList<float> Score(IReadOnlyList<PromptContinuation> texts) => Explain(texts).Totals;

    /// <inheritdoc/>
    public RewardScores Explain(IReadOnlyList<PromptContinuation> texts)
    {
        string[] keys = [.. texts.Select(Key)];
        // The total, then the terms.
        var scores = new Dictionary<string, float[]>();
        var missing = new Dictionary<string, PromptContinuation>();
        foreach (var (key, text) in keys.Zip(texts))
            if (_known.TryGetValue(key, out var node))
            {
                scores[key] = node.Value.Scores;
                _recent.Remove(node);
                _recent.AddLast(node);
            }
            else
                missing[key] = text;
        if (missing.Count > 0)
        {
            var made = reward.Explain([.. missing.Values]);
            foreach (var (row, key) in missing.Keys.Index())
            {
                scores[key] = [made.Totals[row], .. made.Terms.Select(term => term[row])];
                _known[key] = _recent.AddLast((key, scores[key]));
            }
        }
        while (_known.Count > capacity)
        {
            _known.Remove(_recent.First!.Value.Key);
            _recent.RemoveFirst();
        }
        var terms = scores.Count > 0 ? scores.Values.First().Length - 1 : 0;
        IReadOnlyList<float> Column(int i) => [.. keys.Select(key => scores[key][i])];
        return new(Column(0), [.. Enumerable.Range(1, terms).Select(Column)]);
    }

    /// <inheritdoc/>
    public void Dispose() => reward.Dispose();

    // References and concepts belong to the key: two prompts of equal text may differ in them.
    private static string Key(PromptContinuation text) =>
        string.Join('\0', [text.Prompt, text.Continuation, $"{text.References.Count}", .. text.References, .. text.Concepts]);
}
