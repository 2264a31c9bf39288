namespace DfPO.Learner;

/// <summary>Means by metric name, gathered piece by piece and weighted by how many things each piece counted.</summary>
public sealed class Statistics
{
    private readonly Dictionary<string, (double Sum, double Count)> _sums = [];

    /// <summary>Adds <paramref name="count"/> things whose values sum to <paramref name="sum"/>.</summary>
    public void Add(string name, double sum, double count = 1)
    {
        var (oldSum, oldCount) = _sums.GetValueOrDefault(name);
        _sums[name] = (oldSum + sum, oldCount + count);
    }

    /// <summary>A figure that is no mean: the last one stands.</summary>
    public void Set(string name, double value) => _sums[name] = (value, 1);

    /// <summary>What a rule's mask made of each token of the minibatch that was looked at last; null for rules without masks.</summary>
    public IReadOnlyList<TokenMask>? Masks { get; set; }

    /// <summary>One mean; null where nothing was counted.</summary>
    public double? Mean(string name) => _sums.TryGetValue(name, out var sum) && sum.Count != 0 ? sum.Sum / sum.Count : null;

    /// <summary>The means; 0 where nothing was counted.</summary>
    public Dictionary<string, double> Means() =>
        _sums.ToDictionary(pair => pair.Key, pair => pair.Value.Count == 0 ? 0 : pair.Value.Sum / pair.Value.Count);
}
