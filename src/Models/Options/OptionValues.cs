using System.Globalization;

namespace DfPO.Models.Options;

/// <summary>Single values between text and the types that configuration records use.</summary>
public static class OptionValues
{
    private static readonly (string Unit, TimeSpan Size)[] s_units =
    [
        ("ms", TimeSpan.FromMilliseconds(1)),
        ("s", TimeSpan.FromSeconds(1)),
        ("m", TimeSpan.FromMinutes(1)),
        ("h", TimeSpan.FromHours(1)),
        ("d", TimeSpan.FromDays(1)),
    ];

    /// <summary>Whether a property of this type is a value, rather than a nested record.</summary>
    public static bool IsScalar(Type type) =>
        type.IsEnum
        || type == typeof(string)
        || type == typeof(bool)
        || type == typeof(int)
        || type == typeof(long)
        || type == typeof(ulong)
        || type == typeof(float)
        || type == typeof(double)
        || type == typeof(TimeSpan);

    /// <summary>The value, or null when the text is not one.</summary>
    public static object? Parse(string text, Type type)
    {
        var culture = CultureInfo.InvariantCulture;
        if (type.IsEnum)
            return Enum.GetValues(type).Cast<object>().FirstOrDefault(value => Kebab.Of(value.ToString()!) == text);
        if (type == typeof(string))
            return text;
        if (type == typeof(bool))
            return text switch
            {
                "true" or "on" or "yes" => true,
                "false" or "off" or "no" => false,
                _ => null,
            };
        if (type == typeof(int))
            return int.TryParse(text, NumberStyles.AllowLeadingSign, culture, out var i) ? i : null;
        if (type == typeof(long))
            return long.TryParse(text, NumberStyles.AllowLeadingSign, culture, out var l) ? l : null;
        if (type == typeof(ulong))
            return ulong.TryParse(text, NumberStyles.None, culture, out var u) ? u : null;
        if (type == typeof(float))
            return float.TryParse(text, NumberStyles.Float, culture, out var f) && float.IsFinite(f) ? f : null;
        if (type == typeof(double))
            return double.TryParse(text, NumberStyles.Float, culture, out var d) && double.IsFinite(d) ? d : null;
        return Duration(text);
    }

    /// <summary>What <see cref="Parse"/> wanted, for errors.</summary>
    public static string Expected(Type type)
    {
        if (type.IsEnum)
            return "one of " + string.Join(", ", Enum.GetNames(type).Select(Kebab.Of));
        return Type.GetTypeCode(type) switch
        {
            TypeCode.String => "a text",
            TypeCode.Boolean => "true or false",
            TypeCode.Int32 or TypeCode.Int64 => "a whole number",
            TypeCode.UInt64 => "a whole number of at least 0",
            TypeCode.Single or TypeCode.Double => "a number",
            _ => "a duration such as 30s, 5m or 500ms",
        };
    }

    /// <summary>A type's name for a reader.</summary>
    public static string TypeName(Type type) =>
        type.IsEnum
            ? "choice"
            : Type.GetTypeCode(type) switch
            {
                TypeCode.String => "text",
                TypeCode.Boolean => "switch",
                TypeCode.Int32 or TypeCode.Int64 or TypeCode.UInt64 => "whole number",
                TypeCode.Single or TypeCode.Double => "number",
                _ => type == typeof(TimeSpan) ? "duration" : "section",
            };

    /// <summary>A value, or a list of them, as a file spells it, without quotation marks.</summary>
    public static string Text(object value) =>
        value switch
        {
            string text => text,
            System.Collections.IEnumerable items => $"[{string.Join(", ", items.Cast<object>().Select(Text))}]",
            _ => Write(value),
        };

    /// <summary>HOCON text that <see cref="Parse"/> reads back as the same value.</summary>
    public static string Write(object value) =>
        value switch
        {
            string text =>
                $"\"{text.Replace("\\", "\\\\").Replace("\"", "\\\"").Replace("\n", "\\n").Replace("\r", "\\r").Replace("\t", "\\t")}\"",
            bool flag => flag ? "true" : "false",
            Enum member => Kebab.Of(member.ToString()),
            TimeSpan span => Write(span),
            IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
            _ => throw new ArgumentException($"{value.GetType()} is not a configuration value.", nameof(value)),
        };

    private static string Write(TimeSpan span)
    {
        var (unit, size) = s_units.Last(u => u.Size == s_units[0].Size || (span.Ticks != 0 && span.Ticks % u.Size.Ticks == 0));
        return ((double)span.Ticks / size.Ticks).ToString(CultureInfo.InvariantCulture) + unit;
    }

    private static object? Duration(string text)
    {
        var digits = text.TakeWhile(c => char.IsAsciiDigit(c) || c == '.').Count();
        var unit = s_units.FirstOrDefault(u => u.Unit == text[digits..].Trim());
        return
            unit.Unit is not null
            && double.TryParse(text[..digits], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var count)
            && count * unit.Size.TotalDays < 36500
            ? TimeSpan.FromTicks((long)Math.Round(count * unit.Size.Ticks))
            : null;
    }
}
