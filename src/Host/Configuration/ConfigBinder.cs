using System.Reflection;
using DfPO.Models;

namespace DfPO.Host.Configuration;

/// <summary>Binds a tree to a record of records by the names of their properties; what the tree does not say keeps the record's default.</summary>
internal static class ConfigBinder
{
    /// <summary>A new record.</summary>
    /// <exception cref="DfpoException"><c>config/unknown-key</c> or <c>config/value</c>, naming source, full key, and the nearest known key or what was expected.</exception>
    public static T Bind<T>(ConfigNode.Branch tree) where T : class, new()
    {
        var record = new T();
        Fill(record, tree, "", new Lazy<IReadOnlyList<string>>(() => [.. Keys(typeof(T), "")]));
        return record;
    }

    /// <summary>Every key of a record and of the records in it, sections included, in the order of the properties.</summary>
    public static IEnumerable<string> Keys(Type type, string prefix) => Properties(type).SelectMany(property =>
        (IEnumerable<string>)[prefix + Kebab.Of(property.Name), .. IsNested(property.PropertyType) ? Keys(property.PropertyType, prefix + Kebab.Of(property.Name) + ".") : []]);

    /// <summary>Properties that a file may set.</summary>
    public static IEnumerable<PropertyInfo> Properties(Type type) => type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(property => property.CanWrite);

    /// <summary>Whether a property is a record of its own.</summary>
    public static bool IsNested(Type type) => !ConfigValues.IsScalar(type) && ItemType(type) is null;

    private static void Fill(object record, ConfigNode.Branch tree, string prefix, Lazy<IReadOnlyList<string>> known)
    {
        var properties = Properties(record.GetType()).ToDictionary(property => Kebab.Of(property.Name));
        foreach (var (name, node) in tree.Children)
        {
            var key = prefix + name;
            if (!properties.TryGetValue(name, out var property))
                throw Unknown(key, node, known.Value);
            if (!IsNested(property.PropertyType))
                property.SetValue(record, Value(property.PropertyType, key, node));
            else if (node is ConfigNode.Branch branch)
            {
                // A record that is absent by default is there as soon as one of its keys is.
                var nested = property.GetValue(record) ?? Activator.CreateInstance(property.PropertyType)!;
                property.SetValue(record, nested);
                Fill(nested, branch, key + ".", known);
            }
            else
                throw Wrong(key, (ConfigNode.Leaf)node, $"an object with keys such as {Kebab.Of(Properties(property.PropertyType).First().Name)}");
        }
    }

    private static object Value(Type type, string key, ConfigNode node)
    {
        if (node is not ConfigNode.Leaf leaf)
            throw new DfpoException("config/value", $"{SourceOf(node)}: '{key}' is an object but must be {ConfigValues.Expected(ItemType(type) ?? type)}.");
        if (ItemType(type) is not { } item)
            return (leaf.IsList ? null : ConfigValues.Parse(leaf.Text, type)) ?? throw Wrong(key, leaf, ConfigValues.Expected(type));
        string[] texts = leaf.IsList ? [.. leaf.Items] : leaf.Text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        var array = Array.CreateInstance(item, texts.Length);
        for (var i = 0; i < texts.Length; i++)
            array.SetValue(ConfigValues.Parse(texts[i], item) ?? throw Wrong(key, leaf, $"a list, each item {ConfigValues.Expected(item)}"), i);
        return array;
    }

    private static Type? ItemType(Type type) => type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IReadOnlyList<>) ? type.GetGenericArguments()[0] : null;

    private static DfpoException Unknown(string key, ConfigNode node, IReadOnlyList<string> known) =>
        new("config/unknown-key", $"{SourceOf(node)}: key '{key}' is not known; the nearest known key is '{Kebab.Nearest(key, known)}'.");

    private static DfpoException Wrong(string key, ConfigNode.Leaf leaf, string expected) =>
        new("config/value", $"{leaf.Source}: '{key}' is '{leaf.Text}' but must be {expected}.");

    private static string SourceOf(ConfigNode node) => node switch
    {
        ConfigNode.Leaf leaf => leaf.Source,
        ConfigNode.Branch { Children.Count: > 0 } branch => SourceOf(branch.Children.Values.First()),
        _ => "configuration",
    };
}
