namespace DfPO.Actors.Weights;

/// <summary>Who fetches from whom when there are many receivers: a tree with the origin as its root, filled level by level. Pure.</summary>
public static class RelayTree
{
    /// <summary>The parent of the receivers that fetch from the origin.</summary>
    public const int Origin = -1;

    /// <summary>Parent of each receiver.</summary>
    /// <param name="receivers">Number of receivers, at least 0.</param>
    /// <param name="fanOut">Most receivers that one holder serves, at least 1.</param>
    /// <returns>Index of the parent among the receivers, smaller than their own, or <see cref="Origin"/>.</returns>
    public static int[] Parents(int receivers, int fanOut)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(receivers);
        ArgumentOutOfRangeException.ThrowIfLessThan(fanOut, 1);
        return [.. Enumerable.Range(0, receivers).Select(receiver => (receiver / fanOut) - 1)];
    }

    /// <summary>
    /// Whom each receiver asks, in order: its parent, then the parent's parent and so on; the origin, which everyone asks last, is left
    /// out.
    /// </summary>
    /// <param name="receivers">Base addresses of the receivers' bulk channels; the order decides the tree, so give it a stable one.</param>
    /// <param name="fanOut">See <see cref="Parents"/>.</param>
    /// <returns>For each receiver what
    /// <see cref="WeightsClient.Fetch(WeightsRef, IReadOnlyList{string}, System.Diagnostics.ActivityContext, CancellationToken)"/> takes as
    /// relays.</returns>
    public static IReadOnlyList<string>[] Relays(IReadOnlyList<string> receivers, int fanOut)
    {
        var parents = Parents(receivers.Count, fanOut);
        return
        [
            .. Enumerable
                .Range(0, receivers.Count)
                .Select(receiver => (IReadOnlyList<string>)[.. Ancestors(receiver).Select(i => receivers[i])]),
        ];

        IEnumerable<int> Ancestors(int receiver)
        {
            for (var parent = parents[receiver]; parent != Origin; parent = parents[parent])
                yield return parent;
        }
    }
}
