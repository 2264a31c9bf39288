namespace DfPO.Host.Configuration;

/// <summary>A configuration tree: objects whose leaves are texts or lists of texts, each knowing where it was written.</summary>
internal abstract record ConfigNode
{
    /// <summary>A value.</summary>
    /// <param name="Items">The text, or the texts of a list.</param>
    /// <param name="IsList">Whether it was written as a list.</param>
    /// <param name="Source">File, <c>--set</c> or environment variable that it came from, for errors.</param>
    public sealed record Leaf(IReadOnlyList<string> Items, bool IsList, string Source) : ConfigNode
    {
        public string Text => IsList ? $"[{string.Join(", ", Items)}]" : Items[0];
    }

    /// <summary>An object.</summary>
    public sealed record Branch(IReadOnlyDictionary<string, ConfigNode> Children) : ConfigNode
    {
        public static Branch Empty { get; } = new(new Dictionary<string, ConfigNode>());

        /// <summary>One value at a dotted key.</summary>
        public static Branch Of(string key, Leaf leaf)
        {
            var at = key.IndexOf('.', StringComparison.Ordinal);
            return new(new Dictionary<string, ConfigNode> { [at < 0 ? key : key[..at]] = at < 0 ? leaf : Of(key[(at + 1)..], leaf) });
        }

        /// <summary>This tree with another laid over it, value by value.</summary>
        public Branch Under(Branch over)
        {
            var merged = new Dictionary<string, ConfigNode>(Children);
            foreach (var (key, node) in over.Children)
                merged[key] = node is Branch branch && merged.GetValueOrDefault(key) is Branch below ? below.Under(branch) : node;
            return new(merged);
        }

        /// <summary>The value at a dotted key, if it is one.</summary>
        public Leaf? Find(string key)
        {
            var at = key.IndexOf('.', StringComparison.Ordinal);
            var child = Children.GetValueOrDefault(at < 0 ? key : key[..at]);
            return at < 0 ? child as Leaf : (child as Branch)?.Find(key[(at + 1)..]);
        }

        /// <summary>Every value in the tree with its dotted key.</summary>
        public IEnumerable<(string Key, Leaf Value)> Leaves(string prefix = "") =>
            Children.SelectMany(child =>
                child.Value is Branch branch ? branch.Leaves($"{prefix}{child.Key}.") : [(prefix + child.Key, (Leaf)child.Value)]
            );

        /// <summary>The tree without what stands at a dotted key.</summary>
        public Branch Without(string key)
        {
            var at = key.IndexOf('.', StringComparison.Ordinal);
            var children = new Dictionary<string, ConfigNode>(Children);
            if (at < 0)
                children.Remove(key);
            else if (children.GetValueOrDefault(key[..at]) is Branch branch)
                children[key[..at]] = branch.Without(key[(at + 1)..]);
            return new(children);
        }
    }
}
