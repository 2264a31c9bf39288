using System.Collections.Concurrent;
using System.Reflection;

namespace DfPO.Models.Options;

/// <summary>
/// What a record of options says of itself. The record is the only place where a key is declared: its properties are the keys, their
/// summaries the meanings, their attributes the ranges.
/// </summary>
public static class OptionSchema
{
    private static readonly ConcurrentDictionary<Type, IReadOnlyList<OptionKey>> s_keys = new();

    /// <summary>Every key of a record and of the records in it, sections included, in the order of the properties.</summary>
    public static IReadOnlyList<OptionKey> Of(Type root) => s_keys.GetOrAdd(root, type => [.. Keys(type, "", null, mayChange: false)]);

    /// <summary>Properties that a file may set.</summary>
    public static IEnumerable<PropertyInfo> Properties(Type type) =>
        type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(property => property.CanWrite);

    /// <summary>Whether a property is a record of its own.</summary>
    public static bool IsSection(Type type) => !OptionValues.IsScalar(type) && ItemType(type) is null;

    /// <summary>The type of a list's items; null for what is no list.</summary>
    public static Type? ItemType(Type type) =>
        type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IReadOnlyList<>) ? type.GetGenericArguments()[0] : null;

    /// <summary>Checks every range of a record that was made in code; what comes from a file is checked where it is read.</summary>
    /// <param name="options">The record.</param>
    /// <param name="code">The error's code.</param>
    /// <param name="section">Name of the record's section, with a dot at its end, or empty.</param>
    /// <exception cref="DfpoException">With <paramref name="code"/>, naming the key, its value and its range.</exception>
    public static void Check(object options, string code, string section = "")
    {
        foreach (var property in Properties(options.GetType()))
        {
            var (name, value) = (section + Kebab.Of(property.Name), property.GetValue(options));
            if (value is not null && IsSection(property.PropertyType))
                Check(value, code, name + ".");
            else if (!OptionRange.Allows(property, value))
                throw new DfpoException(
                    code,
                    $"Option '{name}' is '{OptionValues.Text(value!)}' but must be {OptionRange.Words(property) ?? OptionValues.Expected(property.PropertyType)}."
                );
        }
    }

    private static IEnumerable<OptionKey> Keys(Type type, string prefix, object? defaults, bool mayChange)
    {
        defaults ??= Activator.CreateInstance(type)!;
        foreach (var property in Properties(type))
        {
            var key = new OptionKey(
                prefix + Kebab.Of(property.Name),
                property,
                property.GetValue(defaults),
                mayChange || property.IsDefined(typeof(MayChangeAttribute))
            );
            yield return key;
            if (IsSection(property.PropertyType))
                foreach (var inner in Keys(property.PropertyType, key.Key + ".", key.Default, key.MayChange))
                    yield return inner;
        }
    }
}
