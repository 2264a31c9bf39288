using System.Globalization;
using System.Text.RegularExpressions;

namespace DfPO.Models.Chat.Jinja;

/// <summary>Jinja's filters, as far as templates for chats use them.</summary>
/// <remarks>Source: the list of built-in filters in Jinja 3.1's documentation; <c>tojson</c> is transformers' own.</remarks>
internal static partial class Filters
{
    private static readonly string[] s_unsupported =
    [
        "e", "escape", "filesizeformat", "forceescape", "groupby", "pprint", "random", "striptags", "truncate", "urlencode", "urlize", "wordwrap", "xmlattr",
    ];

    private static readonly string[] s_plain =
        ["abs", "capitalize", "count", "first", "items", "last", "length", "list", "lower", "reverse", "safe", "string", "title", "upper", "wordcount"];

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
            "abs" => Operators.IsNumber(value) ? Operators.Order(value, 0L) < 0 ? Operators.Signed(value, negative: true) : Operators.Signed(value, negative: false) : throw JinjaErrors.Fail("'abs' needs a number"),
            "attr" => Members.Attribute(value, Operators.ToText(arguments.Bind(id, 1, "name").Get(0))) is var member && value is PythonDict ? throw JinjaErrors.NotSupported("'attr' on a dictionary") : member,
            "batch" => Batch(value, arguments),
            "capitalize" => PythonText.Capitalize(PythonFormat.Text(value)),
            "center" => TextMethods.Center(PythonFormat.Text(value), arguments.Bind(id, 0, "width").Get(0, 80L)),
            "count" or "length" => Iteration.Length(value) ?? throw JinjaErrors.Fail($"{Operators.TypeName(value)} has no length"),
            "d" or "default" => Default(value, arguments),
            "dictsort" => DictSort(value, arguments),
            "first" => Iteration.Over(value).DefaultIfEmpty(new Undefined("the first of no items")).First(),
            "last" => Last(value),
            "float" => ToFloat(value, arguments),
            "format" => Operators.Formatted(PythonFormat.Text(value), arguments.Keywords.Count == 0 ? arguments.Positional : throw JinjaErrors.NotSupported("'format' with named values")),
            "indent" => Indent(value, arguments),
            "int" => ToInt(value, arguments),
            "items" => new Generator(Items(value)),
            "join" => Join(value, arguments),
            "list" => new PythonList([.. Iteration.Over(value)]),
            "lower" => PythonText.Lower(PythonFormat.Text(value)),
            "upper" => PythonText.Upper(PythonFormat.Text(value)),
            "map" => Map(value, arguments),
            "max" => Extreme(value, arguments, largest: true),
            "min" => Extreme(value, arguments, largest: false),
            "reject" => Select(value, arguments, byMember: false, keep: false),
            "rejectattr" => Select(value, arguments, byMember: true, keep: false),
            "select" => Select(value, arguments, byMember: false, keep: true),
            "selectattr" => Select(value, arguments, byMember: true, keep: true),
            "replace" => Replace(value, arguments),
            "reverse" => value is string text ? string.Concat(PythonText.Characters(text).Reverse()) : new Generator(Iteration.Over(value).Reverse()),
            "round" => Round(value, arguments),
            "safe" => new Markup(PythonFormat.Text(value)),
            "slice" => Slices(value, arguments),
            "sort" => Sort(value, arguments),
            "string" => PythonFormat.Text(value),
            "sum" => Sum(value, arguments),
            "title" => string.Concat(WordBeginnings().Split(PythonFormat.Text(value)).Where(part => part.Length > 0).Select(Titled)),
            "tojson" => ToJson(value, arguments),
            "trim" => PythonText.Strip(PythonFormat.Text(value), arguments.Bind(id, 0, "chars").Get(0) is { } given ? Operators.ToText(given) : null),
            "unique" => Unique(value, arguments),
            "wordcount" => (long)Words().Count(PythonFormat.Text(value)),
            _ when s_unsupported.Contains(id) => throw JinjaErrors.NotSupported($"the filter '{id}'"),
            _ => throw JinjaErrors.Fail($"there is no filter '{id}'"),
        };
    }

    private static IEnumerable<object?> Items(object? value)
    {
        if (value is Undefined)
            yield break;
        foreach (var pair in (value as PythonDict ?? throw JinjaErrors.Fail("'items' needs a dictionary")).Pairs)
            yield return new PythonTuple([pair.Key, pair.Value]);
    }

    private static object? Default(object? value, CallArguments arguments)
    {
        var bound = arguments.Bind("default", 0, "default_value", "boolean");
        return value is Undefined || (Operators.IsTrue(bound.Get(1, false)) && !Operators.IsTrue(value)) ? bound.Get(0, "") : value;
    }

    private static object? Last(object? value) => value switch
    {
        Generator => throw JinjaErrors.Fail("'last' of a generator"),
        _ => Iteration.Over(value).DefaultIfEmpty(new Undefined("the last of no items")).Last(),
    };

    private static Generator Batch(object? value, CallArguments arguments)
    {
        var bound = arguments.Bind("batch", 1, "linecount", "fill_with");
        var size = (int)Math.Clamp(Operators.ToInteger(bound.Get(0)), 1, 1 << 20);
        return new Generator(Iteration.Over(value).Chunk(size).Select(chunk =>
            (object?)new PythonList(bound.Get(1) is { } fill && chunk.Length < size ? [.. chunk, .. Enumerable.Repeat(fill, size - chunk.Length)] : chunk)));
    }

    private static Generator Slices(object? value, CallArguments arguments)
    {
        var bound = arguments.Bind("slice", 1, "slices", "fill_with");
        var items = Iteration.Over(value).ToArray();
        var slices = (int)Math.Clamp(Operators.ToInteger(bound.Get(0)), 1, 1 << 20);
        var (size, extra, start) = (items.Length / slices, items.Length % slices, 0);
        var result = new List<object?>();
        for (var i = 0; i < slices; i++)
        {
            var count = size + (i < extra ? 1 : 0);
            object?[] slice = items[start..(start + count)];
            result.Add(new PythonList(bound.Get(1) is { } fill && i >= extra ? [.. slice, fill] : slice));
            start += count;
        }
        return new Generator(result);
    }

    private static PythonList DictSort(object? value, CallArguments arguments)
    {
        var bound = arguments.Bind("dictsort", 0, "case_sensitive", "by", "reverse");
        var byValue = bound.Get(1, "key") switch { "key" => false, "value" => true, _ => throw JinjaErrors.Fail("'dictsort' goes by 'key' or 'value'") };
        var dict = value as PythonDict ?? throw JinjaErrors.Fail("'dictsort' needs a dictionary");
        return Sorted(dict.Pairs.Select(pair => (object?)new PythonTuple([pair.Key, pair.Value])), pair => Folded(((PythonTuple)pair!).Items[byValue ? 1 : 0], bound.Get(0, false)), bound.Get(2, false));
    }

    private static double ToFloat(object? value, CallArguments arguments)
    {
        var fallback = arguments.Bind("float", 0, "default").Get(0, 0.0);
        if (value is Undefined)
            return Operators.ToDouble(value);
        return Operators.IsNumber(value) ? Operators.ToDouble(value) : value is string text && Parsed(text) is { } number ? number : Operators.ToDouble(fallback);
    }

    private static object? ToInt(object? value, CallArguments arguments)
    {
        var bound = arguments.Bind("int", 0, "default", "base");
        if (Operators.ToInteger(bound.Get(1, 10L)) != 10)
            throw JinjaErrors.NotSupported("'int' in another base than 10");
        if (value is long or bool or Undefined)
            return Operators.ToInteger(value);
        if (value is string text && WholeNumber().IsMatch(PythonText.Strip(text)))
            return long.TryParse(PythonText.Strip(text).Replace("_", ""), CultureInfo.InvariantCulture, out var whole) ? whole : throw JinjaErrors.TooMuch("a whole number beyond 64 bits");
        var number = value is double real ? real : value is string written ? Parsed(written) : null;
        return number is { } read && double.IsFinite(read) ? Operators.Whole(Math.Truncate(read)) : bound.Get(0, 0L);
    }

    /// <summary>A text as Python's <c>float</c> reads it; null where it is no number.</summary>
    private static double? Parsed(string text)
    {
        var trimmed = PythonText.Strip(text);
        return RealNumber().IsMatch(trimmed) ? double.Parse(trimmed.Replace("_", ""), NumberStyles.Float, CultureInfo.InvariantCulture)
            : trimmed.TrimStart('+', '-').ToLowerInvariant() is "inf" or "infinity" or "nan" ? throw JinjaErrors.NotSupported("infinity or nan as text")
            : null;
    }

    private static string Indent(object? value, CallArguments arguments)
    {
        var bound = arguments.Bind("indent", 0, "width", "first", "blank");
        var width = bound.Get(0, 4L);
        var indention = width as string ?? (Operators.ToInteger(width) is var blanks and <= 1000 ? new string(' ', (int)Math.Max(0, blanks)) : throw JinjaErrors.TooMuch("an indent of a thousand blanks"));
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

    private static Generator Map(object? value, CallArguments arguments)
    {
        if (!Operators.IsTrue(value))
            return new Generator([]);
        if (arguments.Positional.Count == 0)
        {
            var bound = arguments.Bind("map", 1, "attribute", "default");
            return new Generator(Iteration.Over(value).Select(item => Members.Path(item, bound.Get(0)) is var member && member is Undefined && bound.Get(1) is { } fallback ? fallback : member));
        }
        var (id, rest) = (Operators.ToText(arguments.Positional[0]), arguments with { Positional = [.. arguments.Positional.Skip(1)] });
        return new Generator(Iteration.Over(value).Select(item => Apply(id, item, rest)));
    }

    private static Generator Select(object? value, CallArguments arguments, bool byMember, bool keep)
    {
        var offset = byMember ? 1 : 0;
        if (arguments.Positional.Count < offset)
            throw JinjaErrors.Fail("a filter by attribute needs the attribute's name");
        if (!Operators.IsTrue(value))
            return new Generator([]);
        var test = arguments.Positional.Count > offset ? Operators.ToText(arguments.Positional[offset]) : null;
        var rest = arguments with { Positional = [.. arguments.Positional.Skip(offset + 1)] };
        return new Generator(Iteration.Over(value).Where(item =>
        {
            var tested = byMember ? Members.Path(item, arguments.Positional[0]) : item;
            return (test is null ? Operators.IsTrue(tested) : Tests.Holds(test, tested, rest)) == keep;
        }));
    }

    private static string Replace(object? value, CallArguments arguments)
    {
        var bound = arguments.Bind("replace", 2, "old", "new", "count");
        return TextMethods.Replace(PythonFormat.Text(value), PythonFormat.Text(bound.Get(0)), PythonFormat.Text(bound.Get(1)), bound.Get(2) is { } count ? Operators.ToInteger(count) : -1);
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

    private static PythonList Sort(object? value, CallArguments arguments)
    {
        var bound = arguments.Bind("sort", 0, "reverse", "case_sensitive", "attribute");
        object?[] paths = bound.Get(2) is string many ? many.Split(',') : [bound.Get(2)];
        return Sorted(Iteration.Over(value), item => new PythonList([.. paths.Select(path => Folded(Members.Path(item, path), bound.Get(1, false)))]), bound.Get(0, false));
    }

    private static object? Extreme(object? value, CallArguments arguments, bool largest)
    {
        var bound = arguments.Bind("min", 0, "case_sensitive", "attribute");
        var sorted = Sorted(Iteration.Over(value), item => Folded(Members.Path(item, bound.Get(1)), bound.Get(0, false)), largest).Items;
        return sorted.Count > 0 ? sorted[0] : new Undefined("the extreme of no items");
    }

    private static object? Sum(object? value, CallArguments arguments)
    {
        var bound = arguments.Bind("sum", 0, "attribute", "start");
        var start = bound.Get(1, 0L);
        return start is string ? throw JinjaErrors.Fail("texts cannot be summed") : Iteration.Over(value).Aggregate(start, (sum, item) => Operators.Binary("+", sum, Members.Path(item, bound.Get(0))));
    }

    private static Generator Unique(object? value, CallArguments arguments)
    {
        var bound = arguments.Bind("unique", 0, "case_sensitive", "attribute");
        var seen = new List<object?>();
        return new Generator(Iteration.Over(value).Where(item =>
        {
            var key = Folded(Members.Path(item, bound.Get(1)), bound.Get(0, false));
            if (key is PythonList or PythonDict)
                throw JinjaErrors.Fail("'unique' of lists or dictionaries");
            if (seen.Count > 1000)
                throw JinjaErrors.TooMuch("'unique' of a thousand items");
            if (seen.Any(other => Operators.AreEqual(other, key)))
                return false;
            seen.Add(key);
            return true;
        }));
    }

    private static string ToJson(object? value, CallArguments arguments)
    {
        var bound = arguments.Bind("tojson", 0, "ensure_ascii", "indent", "separators", "sort_keys");
        var indent = bound.Get(1) switch
        {
            null => null,
            string text => text,
            var width => Operators.ToInteger(width) is var blanks and <= 1000 ? new string(' ', (int)Math.Max(0, blanks)) : throw JinjaErrors.TooMuch("an indent of a thousand blanks"),
        };
        var separators = bound.Get(2) as Sequence;
        if (bound.Get(2) is not null && separators is not { Items.Count: 2 })
            throw JinjaErrors.Fail("'tojson' needs two separators");
        var item = separators is null ? indent is null ? ", " : "," : Operators.ToText(separators.Items[0]);
        return JinjaJson.Write(value, indent, item, separators is null ? ": " : Operators.ToText(separators.Items[1]), Operators.IsTrue(bound.Get(3, false)), Operators.IsTrue(bound.Get(0, false)));
    }

    private static PythonList Sorted(IEnumerable<object?> items, Func<object?, object?> key, object? reverse)
    {
        var order = Comparer<object?>.Create((a, b) => Operators.Order(a, b));
        try
        {
            return new PythonList(Operators.IsTrue(reverse) ? [.. items.OrderByDescending(key, order)] : [.. items.OrderBy(key, order)]);
        }
        catch (InvalidOperationException e) when (e.InnerException is JinjaException inner)
        {
            throw inner;
        }
    }

    private static object? Folded(object? value, object? caseSensitive) => value is string text && !Operators.IsTrue(caseSensitive) ? PythonText.Lower(text) : value;

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
