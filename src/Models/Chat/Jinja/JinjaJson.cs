using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace DfPO.Models.Chat.Jinja;

/// <summary>JSON as Python reads and writes it.</summary>
internal static class JinjaJson
{
    private const int DeepestNesting = 100;

    /// <summary>A JSON value as a template's.</summary>
    /// <param name="node">The value; null for JSON's null.</param>
    /// <exception cref="JinjaException">A whole number beyond 64 bits.</exception>
    public static object? Value(JsonNode? node) => node is null ? null : Value(JsonSerializer.SerializeToElement(node));

    /// <summary><c>json.dumps</c> without escapes for what is not ASCII, and without sorting.</summary>
    /// <param name="value">What to write.</param>
    /// <param name="indent">What one level is indented by; null for one line.</param>
    /// <param name="itemSeparator">Between items.</param>
    /// <param name="keySeparator">Between key and value.</param>
    /// <param name="sortKeys">Whether keys come in their order.</param>
    /// <param name="ascii">Whether characters beyond ASCII are escaped.</param>
    public static string Write(object? value, string? indent, string itemSeparator, string keySeparator, bool sortKeys, bool ascii)
    {
        var result = new StringBuilder();
        Write(value, 0);
        return result.ToString();

        void Write(object? item, int depth)
        {
            if (depth > DeepestNesting)
                throw JinjaErrors.TooMuch($"values nested {DeepestNesting} deep");
            switch (item)
            {
                case null or bool:
                    result.Append(
                        item is null ? "null"
                        : item is true ? "true"
                        : "false"
                    );
                    break;
                case long number:
                    result.Append(number.ToString(CultureInfo.InvariantCulture));
                    break;
                case double real:
                    result.Append(
                        double.IsNaN(real) ? "NaN"
                        : double.IsInfinity(real)
                            ? real > 0 ? "Infinity"
                                : "-Infinity"
                        : PythonFormat.Real(real)
                    );
                    break;
                case string text:
                    Quote(result, text, ascii);
                    break;
                case Sequence sequence:
                    Items('[', ']', sequence.Items, depth, inner => Write(inner, depth + 1));
                    break;
                case PythonDict dict:
                    var pairs = sortKeys
                        ? dict.Pairs.OrderBy(pair => (object?)pair.Key, Comparer<object?>.Create((a, b) => Operators.Order(a, b)))
                        : dict.Pairs;
                    Items('{', '}', [.. pairs], depth, pair =>
                    {
                        Quote(
                            result,
                            pair.Key switch
                            {
                                string key => key,
                                bool flag => flag ? "true" : "false",
                                _ => PythonFormat.Text(pair.Key),
                            },
                            ascii
                        );
                        result.Append(keySeparator);
                        Write(pair.Value, depth + 1);
                    });
                    break;
                default:
                    throw JinjaErrors.Fail($"{Operators.TypeName(item)} cannot be written as JSON");
            }
        }

        void Items<T>(char open, char close, IReadOnlyList<T> items, int depth, Action<T> write)
        {
            void Line(int level)
            {
                if (indent is not null && items.Count > 0)
                    result.Append('\n').Insert(result.Length, indent, level);
            }
            result.Append(open);
            for (var i = 0; i < items.Count; i++)
            {
                if (i > 0)
                    result.Append(itemSeparator);
                Line(depth + 1);
                write(items[i]);
            }
            Line(depth);
            result.Append(close);
        }
    }

    private static object? Value(JsonElement element) =>
        element.ValueKind switch
        {
            JsonValueKind.Null => null,
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            JsonValueKind.String => element.GetString(),
            JsonValueKind.Number => Number(element.GetRawText()),
            JsonValueKind.Array => new PythonList([.. element.EnumerateArray().Select(Value)]),
            _ => Dict(element),
        };

    private static PythonDict Dict(JsonElement element)
    {
        var dict = new PythonDict();
        foreach (var property in element.EnumerateObject())
            dict[property.Name] = Value(property.Value);
        return dict;
    }

    private static object Number(string text) =>
        text.AsSpan().IndexOfAny(".eE") >= 0 ? (object)double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture)
        : long.TryParse(text, CultureInfo.InvariantCulture, out var whole) ? whole
        : throw JinjaErrors.TooMuch($"the whole number {text}");

    private static void Quote(StringBuilder result, string text, bool ascii)
    {
        result.Append('"');
        foreach (var c in text)
        {
            var escape = "\"\\\n\r\t\b\f".IndexOf(c);
            if (escape >= 0)
                result.Append('\\').Append("\"\\nrtbf"[escape]);
            else if (c < ' ' || (ascii && c > '~'))
                result.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
            else
                result.Append(c);
        }
        result.Append('"');
    }
}
