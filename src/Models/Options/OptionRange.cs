using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;

namespace DfPO.Models.Options;

/// <summary>
/// What the attributes of an option's property allow: <see cref="RangeAttribute"/>, <see cref="AllowedValuesAttribute"/>,
/// <see cref="RegularExpressionAttribute"/>, <see cref="MinLengthAttribute"/>.
/// </summary>
/// <remarks>
/// Of a list each item is asked; only <see cref="MinLengthAttribute"/> is of the list itself, and of a text its length. An infinite or
/// extreme end of a range is no bound. An empty text is matched like any other, which <see cref="RegularExpressionAttribute"/> itself would
/// let pass.
/// </remarks>
public static class OptionRange
{
    private static readonly double[] s_open =
    [
        int.MinValue,
        int.MaxValue,
        double.NegativeInfinity,
        double.PositiveInfinity,
        double.MinValue,
        double.MaxValue,
    ];

    /// <summary>In words what values may be, as the end of "must be ..."; null where every value of the type may be.</summary>
    public static string? Words(PropertyInfo property)
    {
        var one =
            Attribute<RangeAttribute>(property) is { } range ? Words(range)
            : Attribute<AllowedValuesAttribute>(property) is { } allowed ? "one of " + string.Join(", ", allowed.Values)
            : Attribute<RegularExpressionAttribute>(property) is { } pattern ? pattern.ErrorMessage ?? $"of the form {pattern.Pattern}"
            : property.PropertyType == typeof(TimeSpan) ? "longer than 0"
            : null;
        return Least(property) switch
        {
            0 => one,
            _ when property.PropertyType == typeof(string) => one ?? "not empty",
            var least => $"at least {least}{(one is null ? "" : $", each {one}")}",
        };
    }

    /// <summary>Whether a value, or each item of a list, is allowed.</summary>
    /// <param name="property">The option.</param>
    /// <param name="value">Of the property's type; null is an absent section.</param>
    public static bool Allows(PropertyInfo property, object? value) =>
        value switch
        {
            null => true,
            string text => text.Length >= Least(property) && AllowsItem(property, text),
            System.Collections.IEnumerable items => items.Cast<object>().ToArray() is var all
                && all.Length >= Least(property)
                && all.All(item => AllowsItem(property, item)),
            _ => AllowsItem(property, value),
        };

    private static int Least(PropertyInfo property) => Attribute<MinLengthAttribute>(property)?.Length ?? 0;

    private static bool AllowsItem(PropertyInfo property, object value)
    {
        if (value is TimeSpan span && span <= TimeSpan.Zero)
            return false;
        if (
            value is double or float
            && Convert.ToDouble(value, CultureInfo.InvariantCulture) is var number
            && !double.IsFinite(number)
            && (double.IsNaN(number) || !property.IsDefined(typeof(MayBeInfiniteAttribute)))
        )
            return false;
        if (value is Enum && !Enum.IsDefined(value.GetType(), value))
            return false;
        return (Attribute<RangeAttribute>(property) is not { } range || Inside(range, value))
            && (Attribute<AllowedValuesAttribute>(property) is not { } allowed || allowed.Values.Contains(value))
            && (
                Attribute<RegularExpressionAttribute>(property) is not { } pattern
                || Regex.IsMatch((string)value, $"\\A(?:{pattern.Pattern})\\z", RegexOptions.None, pattern.MatchTimeout)
            );
    }

    private static bool Inside(RangeAttribute range, object value)
    {
        var number = Convert.ToDouble(value, CultureInfo.InvariantCulture);
        var (least, most) = (Number(range.Minimum), Number(range.Maximum));
        // A float's own rounding must not put it outside of a bound that it was written as.
        if (value is float)
            (least, most) = ((float)least, (float)most);
        return (range.MinimumIsExclusive ? number > least : number >= least) && (range.MaximumIsExclusive ? number < most : number <= most);
    }

    private static string Words(RangeAttribute range)
    {
        var least = s_open.Contains(Number(range.Minimum))
            ? null
            : $"{(range.MinimumIsExclusive ? "greater than" : "at least")} {Text(range.Minimum)}";
        var most = s_open.Contains(Number(range.Maximum))
            ? null
            : $"{(range.MaximumIsExclusive ? "below" : "at most")} {Text(range.Maximum)}";
        return string.Join(" and ", new[] { least, most }.OfType<string>());
    }

    private static double Number(object bound) => Convert.ToDouble(bound, CultureInfo.InvariantCulture);

    private static string Text(object bound) => Convert.ToString(bound, CultureInfo.InvariantCulture)!;

    private static T? Attribute<T>(PropertyInfo property)
        where T : Attribute => property.GetCustomAttribute<T>();
}
