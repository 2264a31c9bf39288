using System.Reflection;

namespace DfPO.Models.Options;

/// <summary>A key of a configuration file, as its property declares it.</summary>
/// <param name="Key">Dotted, in kebab-case: <c>learner.dfpo.tolerance</c>.</param>
/// <param name="Property">Where it is declared.</param>
/// <param name="Default">Its value where no file says one; null for a section that is then absent.</param>
/// <param name="MayChange">Whether a resumed run may have another value.</param>
public sealed record OptionKey(string Key, PropertyInfo Property, object? Default, bool MayChange)
{
    /// <summary>Whether it has keys of its own instead of a value.</summary>
    public bool IsSection => OptionSchema.IsSection(Property.PropertyType);

    /// <summary>What it means: the summary of the property.</summary>
    public string Meaning => OptionMeanings.Of(Property);

    /// <summary>The type's name for a reader: <c>number</c>, <c>list of texts</c>, ...</summary>
    public string Type =>
        OptionSchema.ItemType(Property.PropertyType) is { } item
            ? $"list of {OptionValues.TypeName(item)}"
            : OptionValues.TypeName(Property.PropertyType);

    /// <summary>What values may be; null where every value of the type may be.</summary>
    public string? Range => OptionRange.Words(Property);

    /// <summary>What a number counts; null where it has no unit.</summary>
    public string? Unit => Property.GetCustomAttribute<UnitAttribute>()?.Name;

    /// <summary>What it is the path of; null for no path.</summary>
    public PathOptionAttribute? Path => Property.GetCustomAttribute<PathOptionAttribute>();

    /// <summary>What decides it in place of a file; null for a key that a file may have.</summary>
    public string? Follows => Property.GetCustomAttribute<FollowsAttribute>()?.From;
}
