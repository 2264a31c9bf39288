using System.Globalization;
using System.Numerics;
using System.Text;

namespace DfPO.Models.Chat.Jinja;

/// <summary>How Python prints and rounds values.</summary>
internal static class PythonFormat
{
    private const int DeepestNesting = 100;

    /// <summary><c>str(value)</c>.</summary>
    public static string Text(object? value) =>
        value switch
        {
            string text => text,
            Markup markup => markup.Text,
            Undefined => "",
            _ => Repr(value),
        };

    /// <summary><c>repr(value)</c>.</summary>
    public static string Repr(object? value)
    {
        var result = new StringBuilder();
        Append(result, value, 0);
        return result.ToString();
    }

    /// <summary>The shortest digits that read back as the same number, as Python writes them.</summary>
    public static string Real(double value)
    {
        if (double.IsNaN(value) || double.IsInfinity(value))
            return double.IsNaN(value) ? "nan"
                : value > 0 ? "inf"
                : "-inf";
        var shortest = value.ToString("E16", CultureInfo.InvariantCulture);
        for (var digits = 0; digits < 16; digits++)
            if (
                value.ToString("E" + digits, CultureInfo.InvariantCulture) is var candidate
                && double.Parse(candidate, CultureInfo.InvariantCulture) == value
            )
            {
                shortest = candidate;
                break;
            }
        var (mantissa, exponent) = (
            shortest[..shortest.IndexOf('E')],
            int.Parse(shortest[(shortest.IndexOf('E') + 1)..], CultureInfo.InvariantCulture)
        );
        if (exponent is < -4 or >= 16)
            return $"{mantissa}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}";
        return value.ToString("F" + Math.Max(1, mantissa.Count(char.IsDigit) - 1 - exponent), CultureInfo.InvariantCulture);
    }

    /// <summary><c>round(value, digits)</c> of a real number: the nearest decimal, and the even one of two that are as near.</summary>
    public static double Round(double value, int digits)
    {
        if (double.IsNaN(value) || double.IsInfinity(value) || value == 0)
            return value;
        var bits = BitConverter.DoubleToInt64Bits(Math.Abs(value));
        var exponent = (int)(bits >> 52);
        BigInteger numerator = (bits & 0xFFFFFFFFFFFFF) | (exponent == 0 ? 0 : 1L << 52),
            denominator = BigInteger.One;
        exponent = Math.Max(exponent, 1) - 1075;
        if (exponent >= 0)
            numerator <<= exponent;
        else
            denominator <<= -exponent;
        numerator *= BigInteger.Pow(10, digits);
        var whole = BigInteger.DivRem(numerator, denominator, out var rest);
        var half = BigInteger.Compare(rest * 2, denominator);
        if (half > 0 || (half == 0 && !whole.IsEven))
            whole++;
        return Math.CopySign(double.Parse($"{whole}E-{digits}", CultureInfo.InvariantCulture), value);
    }

    private static void Append(StringBuilder result, object? value, int depth)
    {
        if (depth > DeepestNesting)
            throw JinjaErrors.TooMuch($"values nested {DeepestNesting} deep");
        switch (value)
        {
            case null:
                result.Append("None");
                break;
            case bool flag:
                result.Append(flag ? "True" : "False");
                break;
            case long number:
                result.Append(number.ToString(CultureInfo.InvariantCulture));
                break;
            case double real:
                result.Append(Real(real));
                break;
            case string text:
                Quote(result, text);
                break;
            case Undefined:
                result.Append("Undefined");
                break;
            case Sequence sequence:
                Append(result, sequence, depth);
                break;
            case PythonDict dict:
                result.Append('{');
                var first = true;
                foreach (var (key, item) in dict.Pairs)
                {
                    result.Append(first ? "" : ", ");
                    first = false;
                    Append(result, key, depth + 1);
                    result.Append(": ");
                    Append(result, item, depth + 1);
                }
                result.Append('}');
                break;
            default:
                throw JinjaErrors.NotSupported("printing a function, generator or other object");
        }
    }

    private static void Append(StringBuilder result, Sequence sequence, int depth)
    {
        var isTuple = sequence is PythonTuple;
        result.Append(isTuple ? '(' : '[');
        for (var i = 0; i < sequence.Items.Count; i++)
        {
            result.Append(i == 0 ? "" : ", ");
            Append(result, sequence.Items[i], depth + 1);
        }
        result.Append(isTuple && sequence.Items.Count == 1 ? "," : "").Append(isTuple ? ')' : ']');
    }

    private static void Quote(StringBuilder result, string text)
    {
        var quote = text.Contains('\'') && !text.Contains('"') ? '"' : '\'';
        result.Append(quote);
        foreach (var rune in text.EnumerateRunes())
        {
            var code = rune.Value;
            if (code == quote || code == '\\')
                result.Append('\\').Append((char)code);
            else if (code is '\n' or '\r' or '\t')
                result.Append(
                    code == '\n' ? "\\n"
                    : code == '\r' ? "\\r"
                    : "\\t"
                );
            else if (code == ' ' || IsPrintable(rune))
                result.Append(rune.ToString());
            else
                result.Append(
                    code < 0x100 ? $"\\x{code:x2}"
                    : code < 0x10000 ? $"\\u{code:x4}"
                    : $"\\U{code:x8}"
                );
        }
        result.Append(quote);
    }

    private static bool IsPrintable(Rune rune) =>
        Rune.GetUnicodeCategory(rune)
            is not (
                UnicodeCategory.Control
                or UnicodeCategory.Format
                or UnicodeCategory.Surrogate
                or UnicodeCategory.PrivateUse
                or UnicodeCategory.OtherNotAssigned
                or UnicodeCategory.LineSeparator
                or UnicodeCategory.ParagraphSeparator
                or UnicodeCategory.SpaceSeparator
            );
}
