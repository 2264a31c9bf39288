using System.Reflection;
using DfPO.Models;

namespace DfPO.Host.Configuration;

/// <summary>
/// Binds a tree to a record of records as its <see cref="OptionSchema"/> says; what the tree does not say keeps the record's default.
/// </summary>
internal static class ConfigBinder
{
    /// <summary>A new record.</summary>
    /// <param name="tree">What a file and its overrides say.</param>
    /// <param name="resolve">From a path as it was written to where it is.</param>
    /// <exception cref="DfpoException">
    /// <c>config/unknown-key</c>, <c>config/value</c>, <c>config/range</c> or <c>config/conflict</c>, naming source, full key, and the
    /// nearest known key or what was expected.
    /// </exception>
    public static T Bind<T>(ConfigNode.Branch tree, Func<string, string>? resolve = null)
        where T : class, new()
    {
        var record = new T();
        Fill(record, tree, "", OptionSchema.Of(typeof(T)).ToDictionary(key => key.Key), resolve ?? (path => path));
        return record;
    }

    private static void Fill(
        object record,
        ConfigNode.Branch tree,
        string prefix,
        IReadOnlyDictionary<string, OptionKey> known,
        Func<string, string> resolve
    )
    {
        foreach (var (name, node) in tree.Children)
        {
            if (!known.TryGetValue(prefix + name, out var key))
                throw Unknown(prefix + name, node, known.Values.Where(other => other.Follows is null).Select(other => other.Key));
            // Its default says nothing, and older files spell it out.
            if (key.Follows is { } from && !Equals(Value(key, node), key.Default))
                throw new DfpoException(
                    "config/conflict",
                    $"{SourceOf(node)}: '{key.Key}' follows from {from}: remove it and set that instead."
                );
            if (!key.IsSection)
                key.Property.SetValue(record, Resolved(key, Value(key, node), resolve));
            else if (node is ConfigNode.Branch branch)
            {
                // A record that is absent by default is there as soon as one of its keys is.
                var nested = key.Property.GetValue(record) ?? Activator.CreateInstance(key.Property.PropertyType)!;
                key.Property.SetValue(record, nested);
                Fill(nested, branch, key.Key + ".", known, resolve);
            }
            else
                throw Wrong(
                    key.Key,
                    (ConfigNode.Leaf)node,
                    $"an object with keys such as {Kebab.Of(OptionSchema.Properties(key.Property.PropertyType).First().Name)}"
                );
        }
    }

    private static object Value(OptionKey key, ConfigNode node)
    {
        var type = key.Property.PropertyType;
        if (node is not ConfigNode.Leaf leaf)
            throw new DfpoException(
                "config/value",
                $"{SourceOf(node)}: '{key.Key}' is an object but must be {OptionValues.Expected(OptionSchema.ItemType(type) ?? type)}."
            );
        var value = OptionSchema.ItemType(type) is { } item
            ? List(key.Key, leaf, item)
            : (leaf.IsList ? null : OptionValues.Parse(leaf.Text, type)) ?? throw Wrong(key.Key, leaf, OptionValues.Expected(type));
        return OptionRange.Allows(key.Property, value)
            ? value
            : throw new DfpoException(
                "config/range",
                $"{leaf.Source}: '{key.Key}' is '{leaf.Text}' but must be {key.Range ?? OptionValues.Expected(type)}."
            );
    }

    private static Array List(string key, ConfigNode.Leaf leaf, Type item)
    {
        string[] texts = leaf.IsList
            ? [.. leaf.Items]
            : leaf.Text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        var array = Array.CreateInstance(item, texts.Length);
        for (var i = 0; i < texts.Length; i++)
            array.SetValue(
                OptionValues.Parse(texts[i], item) ?? throw Wrong(key, leaf, $"a list, each item {OptionValues.Expected(item)}"),
                i
            );
        return array;
    }

    private static object Resolved(OptionKey key, object value, Func<string, string> resolve) =>
        key.Path is { } path && value is string { Length: > 0 } text && text != path.Except ? resolve(text) : value;

    private static DfpoException Unknown(string key, ConfigNode node, IEnumerable<string> known) =>
        new("config/unknown-key", $"{SourceOf(node)}: key '{key}' is not known; the nearest known key is '{Kebab.Nearest(key, known)}'.");

    private static DfpoException Wrong(string key, ConfigNode.Leaf leaf, string expected) =>
        new("config/value", $"{leaf.Source}: '{key}' is '{leaf.Text}' but must be {expected}.");

    private static string SourceOf(ConfigNode node) =>
        node switch
        {
            ConfigNode.Leaf leaf => leaf.Source,
            ConfigNode.Branch { Children.Count: > 0 } branch => SourceOf(branch.Children.Values.First()),
            _ => "configuration",
        };
}
