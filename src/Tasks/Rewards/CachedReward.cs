using DfPO.Tasks.Prompts;

namespace DfPO.Tasks.Rewards;

/// <summary>
/// Asks a reward for each text once, as long as the text is among those seen last. For rewards whose score depends on the text alone.
/// </summary>
/// <param name="reward">The reward, which this one owns.</param>
/// <param name="capacity">Scores that are kept, at least 1.</param>
public sealed class CachedReward(IReward reward, int capacity) : IReward
{
    private readonly Dictionary<string, LinkedListNode<(string Key, float Score)>> _known = [];
    private readonly LinkedList<(string Key, float Score)> _recent = [];

    /// <inheritdoc/>
    public IReadOnlyList<float> Score(IReadOnlyList<PromptContinuation> texts)
    {
        string[] keys = [.. texts.Select(Key)];
        var scores = new Dictionary<string, float>();
        var missing = new Dictionary<string, PromptContinuation>();
        foreach (var (key, text) in keys.Zip(texts))
            if (_known.TryGetValue(key, out var node))
            {
                scores[key] = node.Value.Score;
                _recent.Remove(node);
                _recent.AddLast(node);
            }
            else
                missing[key] = text;
        if (missing.Count > 0)
            foreach (var (key, score) in missing.Keys.Zip(reward.Score([.. missing.Values])))
            {
                scores[key] = score;
                _known[key] = _recent.AddLast((key, score));
            }
        while (_known.Count > capacity)
        {
            _known.Remove(_recent.First!.Value.Key);
            _recent.RemoveFirst();
        }
        return [.. keys.Select(key => scores[key])];
    }

    /// <inheritdoc/>
    public void Dispose() => reward.Dispose();

    // References and concepts belong to the key: two prompts of equal text may differ in them.
    private static string Key(PromptContinuation text) =>
        string.Join('\0', [text.Prompt, text.Continuation, $"{text.References.Count}", .. text.References, .. text.Concepts]);
}
