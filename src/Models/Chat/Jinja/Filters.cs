using System.Globalization;
using System.Text.RegularExpressions;

namespace DfPO.Models.Chat.Jinja;

/// <summary>Jinja's filters, as far as templates for chats use them.</summary>
/// <remarks>Source: the list of built-in filters in Jinja 3.1's documentation; <c>tojson</c> is transformers' own.</remarks>
internal static partial class Filters
{
    private static readonly string[] s_unsupported =
    [
        "e",
        "escape",
        "filesizeformat",
        "forceescape",
        "groupby",
        "pprint",
        "random",
        "striptags",
        "truncate",
        "urlencode",
        "urlize",
        "wordwrap",
        "xmlattr",
    ];

    private static readonly string[] s_plain =
    [
        "abs",
        "capitalize",
        "count",
        "first",
        "items",
        "last",
        "length",
        "list",
        "lower",
        "reverse",
        "safe",
        "string",
        "title",
        "upper",
        "wordcount",
    ];

    /// <summary>Applies a filter.</summary>
    /// <param name="id">Its name.</param>
    /// <param name="value">What stands before it.</param>
    /// <param name="arguments">What stands in its parentheses.</param>
    public static object? Apply(string id, object? value, CallArguments arguments)
    {
        if (s_plain.Contains(id))
            arguments.Bind(id, 0);
        if (value is Markup markup)
            return id switch
            {
                "safe" => markup,
                "string" => markup,
                _ => throw JinjaErrors.NotSupported($"the filter '{id}' on a text marked as safe"),
            };
        return id switch
        {
            "abs" => Operators.IsNumber(value)
                ? Operators.Order(value, 0L) < 0
                    ? Operators.Signed(value, negative: true)
                    : Operators.Signed(value, negative: false)
                : throw JinjaErrors.Fail("'abs' needs a number"),
            "attr" => Members.Attribute(value, Operators.ToText(arguments.Bind(id, 1, "name").Get(0))) is var member && value is PythonDict
                ? throw JinjaErrors.NotSupported("'attr' on a dictionary")
                : member,
            "batch" => SequenceFilters.Batch(value, arguments),
            "capitalize" => PythonText.Capitalize(PythonFormat.Text(value)),
            "center" => TextMethods.Center(PythonFormat.Text(value), arguments.Bind(id, 0, "width").Get(0, 80L)),
            "count" or "length" => Iteration.Length(value) ?? throw JinjaErrors.Fail($"{Operators.TypeName(value)} has no length"),
            "d" or "default" => Default(value, arguments),
            "dictsort" => SequenceFilters.DictSort(value, arguments),
            "first" => Iteration.Over(value).DefaultIfEmpty(new Undefined("the first of no items")).First(),
            "last" => SequenceFilters.Last(value),
            "float" => ToFloat(value, arguments),
            "format" => Operators.Formatted(
                PythonFormat.Text(value),
                arguments.Keywords.Count == 0 ? arguments.Positional : throw JinjaErrors.NotSupported("'format' with named values")
            ),
            "indent" => Indent(value, arguments),
            "int" => ToInt(value, arguments),
            "items" => new Generator(SequenceFilters.Items(value)),
            "join" => Join(value, arguments),
            "list" => new PythonList([.. Iteration.Over(value)]),
            "lower" => PythonText.Lower(PythonFormat.Text(value)),
            "upper" => PythonText.Upper(PythonFormat.Text(value)),
            "map" => SequenceFilters.Map(value, arguments),
            "max" => SequenceFilters.Extreme(value, arguments, largest: true),
            "min" => SequenceFilters.Extreme(value, arguments, largest: false),
            "reject" => SequenceFilters.Select(value, arguments, byMember: false, keep: false),
            "rejectattr" => SequenceFilters.Select(value, arguments, byMember: true, keep: false),
            "select" => SequenceFilters.Select(value, arguments, byMember: false, keep: true),
            "selectattr" => SequenceFilters.Select(value, arguments, byMember: true, keep: true),
            "replace" => Replace(value, arguments),
            "reverse" => value is string text
                ? string.Concat(PythonText.Characters(text).Reverse())
                : new Generator(Iteration.Over(value).Reverse()),
            "round" => Round(value, arguments),
            "safe" => new Markup(PythonFormat.Text(value)),
            "slice" => SequenceFilters.Slices(value, arguments),
            "sort" => SequenceFilters.Sort(value, arguments),
            "string" => PythonFormat.Text(value),
            "sum" => SequenceFilters.Sum(value, arguments),
            "title" => string.Concat(WordBeginnings().Split(PythonFormat.Text(value)).Where(part => part.Length > 0).Select(Titled)),
            "tojson" => ToJson(value, arguments),
            "trim" => PythonText.Strip(
                PythonFormat.Text(value),
                arguments.Bind(id, 0, "chars").Get(0) is { } given ? Operators.ToText(given) : null
            ),
            "unique" => SequenceFilters.Unique(value, arguments),
            "wordcount" => (long)Words().Count(PythonFormat.Text(value)),
            _ when s_unsupported.Contains(id) => throw JinjaErrors.NotSupported($"the filter '{id}'"),
            _ => throw JinjaErrors.Fail($"there is no filter '{id}'"),
        };
    }

    private static object? Default(object? value, CallArguments arguments)
    {
        var bound = arguments.Bind("default", 0, "default_value", "boolean");
        return value is Undefined || (Operators.IsTrue(bound.Get(1, false)) && !Operators.IsTrue(value)) ? bound.Get(0, "") : value;
    }

    private static double ToFloat(object? value, CallArguments arguments)
    {
        var fallback = arguments.Bind("float", 0, "default").Get(0, 0.0);
        if (value is Undefined)
            return Operators.ToDouble(value);
        return Operators.IsNumber(value) ? Operators.ToDouble(value)
            : value is string text && Parsed(text) is { } number ? number
            : Operators.ToDouble(fallback);
    }

    private static object? ToInt(object? value, CallArguments arguments)
    {
        var bound = arguments.Bind("int", 0, "default", "base");
        if (Operators.ToInteger(bound.Get(1, 10L)) != 10)
            throw JinjaErrors.NotSupported("'int' in another base than 10");
        if (value is long or bool or Undefined)
            return Operators.ToInteger(value);
        if (value is string text && WholeNumber().IsMatch(PythonText.Strip(text)))
            return long.TryParse(PythonText.Strip(text).Replace("_", ""), CultureInfo.InvariantCulture, out var whole)
                ? whole
                : throw JinjaErrors.TooMuch("a whole number beyond 64 bits");
        var number =
            value is double real ? real
            : value is string written ? Parsed(written)
            : null;
        return number is { } read && double.IsFinite(read) ? Operators.Whole(Math.Truncate(read)) : bound.Get(0, 0L);
    }

    /// <summary>A text as Python's <c>float</c> reads it; null where it is no number.</summary>
    private static double? Parsed(string text)
    {
        var trimmed = PythonText.Strip(text);
        return RealNumber().IsMatch(trimmed) ? double.Parse(trimmed.Replace("_", ""), NumberStyles.Float, CultureInfo.InvariantCulture)
            : trimmed.TrimStart('+', '-').ToLowerInvariant() is "inf" or "infinity" or "nan"
                ? throw JinjaErrors.NotSupported("infinity or nan as text")
            : null;
    }

    private static string Indent(object? value, CallArguments arguments)
    {
        var bound = arguments.Bind("indent", 0, "width", "first", "blank");
        var width = bound.Get(0, 4L);
        var indention =
            width as string
            ?? (
                Operators.ToInteger(width) is var blanks and <= 1000
                    ? new string(' ', (int)Math.Max(0, blanks))
                    : throw JinjaErrors.TooMuch("an indent of a thousand blanks")
            );
        var lines = PythonText.Lines(Operators.ToText(value) + "\n", keepEnds: false);
        var everyLine = Operators.IsTrue(bound.Get(2, false));
        var indented = lines.Select((line, i) => i > 0 && (line.Length > 0 || everyLine) ? indention + line : line);
        return (Operators.IsTrue(bound.Get(1, false)) ? indention : "") + TextMethods.Join("\n", indented);
    }

    private static string Join(object? value, CallArguments arguments)
    {
        var bound = arguments.Bind("join", 0, "d", "attribute");
        var items = Iteration.Over(value).Select(item => bound.Get(1) is { } path ? Members.Path(item, path) : item).ToArray();
        return items.Append(bound.Get(0)).Any(item => item is Markup)
            ? throw JinjaErrors.NotSupported("joining texts marked as safe")
            : TextMethods.Join(PythonFormat.Text(bound.Get(0, "")), items.Select(PythonFormat.Text));
    }

    private static string Replace(object? value, CallArguments arguments)
    {
        var bound = arguments.Bind("replace", 2, "old", "new", "count");
        return TextMethods.Replace(
            PythonFormat.Text(value),
            PythonFormat.Text(bound.Get(0)),
            PythonFormat.Text(bound.Get(1)),
            bound.Get(2) is { } count ? Operators.ToInteger(count) : -1
        );
    }

    private static object Round(object? value, CallArguments arguments)
    {
        var bound = arguments.Bind("round", 0, "precision", "method");
        var digits = Operators.ToInteger(bound.Get(0, 0L));
        if (digits is < 0 or > 22)
            throw JinjaErrors.NotSupported("'round' to fewer than 0 or more than 22 digits");
        var scale = Math.Pow(10, digits);
        return (bound.Get(1, "common"), value) switch
        {
            ("common", long or bool) => (object)Operators.ToInteger(value),
            ("common", double real) => PythonFormat.Round(real, (int)digits),
            ("ceil", long or bool or double) => Math.Ceiling(Operators.ToDouble(value) * scale) / scale,
            ("floor", long or bool or double) => Math.Floor(Operators.ToDouble(value) * scale) / scale,
            _ => throw JinjaErrors.Fail("'round' needs a number, and 'common', 'ceil' or 'floor'"),
        };
    }

    private static string ToJson(object? value, CallArguments arguments)
    {
        var bound = arguments.Bind("tojson", 0, "ensure_ascii", "indent", "separators", "sort_keys");
        var indent = bound.Get(1) switch
        {
            null => null,
            string text => text,
            var width => Operators.ToInteger(width) is var blanks and <= 1000
                ? new string(' ', (int)Math.Max(0, blanks))
                : throw JinjaErrors.TooMuch("an indent of a thousand blanks"),
        };
        var separators = bound.Get(2) as Sequence;
        if (bound.Get(2) is not null && separators is not { Items.Count: 2 })
            throw JinjaErrors.Fail("'tojson' needs two separators");
        var item = separators is null
            ? indent is null
                ? ", "
                : ","
            : Operators.ToText(separators.Items[0]);
        return JinjaJson.Write(
            value,
            indent,
            item,
            separators is null ? ": " : Operators.ToText(separators.Items[1]),
            Operators.IsTrue(bound.Get(3, false)),
            Operators.IsTrue(bound.Get(0, false))
        );
    }

    private static string Titled(string part)
    {
        var first = PythonText.Characters(part).First();
        return PythonText.Upper(first) + PythonText.Lower(part[first.Length..]);
    }

    [GeneratedRegex(@"([-\s({\[<]+)")]
    private static partial Regex WordBeginnings();

    [GeneratedRegex(@"\w+")]
    private static partial Regex Words();

    [GeneratedRegex(@"^[+-]?[0-9]+(?:_[0-9]+)*$")]
    private static partial Regex WholeNumber();

    [GeneratedRegex(@"^[+-]?(?:[0-9]+(?:_[0-9]+)*\.?(?:[0-9]+(?:_[0-9]+)*)?|\.[0-9]+(?:_[0-9]+)*)(?:[eE][+-]?[0-9]+(?:_[0-9]+)*)?$")]
    private static partial Regex RealNumber();
}
