namespace DfPO.Models.Chat.Jinja;

/// <summary>Jinja's filters over the items of a value.</summary>
/// <remarks>Source: the list of built-in filters in Jinja 3.1's documentation.</remarks>
internal static class SequenceFilters
{
    public static Generator Batch(object? value, CallArguments arguments)
    {
        var bound = arguments.Bind("batch", 1, "linecount", "fill_with");
        var size = (int)Math.Clamp(Operators.ToInteger(bound.Get(0)), 1, 1 << 20);
        return new Generator(
            Iteration
                .Over(value)
                .Chunk(size)
                .Select(chunk =>
                    (object?)
                        new PythonList(
                            bound.Get(1) is { } fill && chunk.Length < size
                                ? [.. chunk, .. Enumerable.Repeat(fill, size - chunk.Length)]
                                : chunk
                        )
                )
        );
    }

    public static Generator Slices(object? value, CallArguments arguments)
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

    public static PythonList DictSort(object? value, CallArguments arguments)
    {
        var bound = arguments.Bind("dictsort", 0, "case_sensitive", "by", "reverse");
        var byValue = bound.Get(1, "key") switch
        {
            "key" => false,
            "value" => true,
            _ => throw JinjaErrors.Fail("'dictsort' goes by 'key' or 'value'"),
        };
        var dict = value as PythonDict ?? throw JinjaErrors.Fail("'dictsort' needs a dictionary");
        return Sorted(
            dict.Pairs.Select(pair => (object?)new PythonTuple([pair.Key, pair.Value])),
            pair => Folded(((PythonTuple)pair!).Items[byValue ? 1 : 0], bound.Get(0, false)),
            bound.Get(2, false)
        );
    }

    public static Generator Map(object? value, CallArguments arguments)
    {
        if (!Operators.IsTrue(value))
            return new Generator([]);
        if (arguments.Positional.Count == 0)
        {
            var bound = arguments.Bind("map", 1, "attribute", "default");
            return new Generator(
                Iteration
                    .Over(value)
                    .Select(item =>
                        Members.Path(item, bound.Get(0)) is var member && member is Undefined && bound.Get(1) is { } fallback
                            ? fallback
                            : member
                    )
            );
        }
        var (id, rest) = (Operators.ToText(arguments.Positional[0]), arguments with { Positional = [.. arguments.Positional.Skip(1)] });
        return new Generator(Iteration.Over(value).Select(item => Filters.Apply(id, item, rest)));
    }

    public static Generator Select(object? value, CallArguments arguments, bool byMember, bool keep)
    {
        var offset = byMember ? 1 : 0;
        if (arguments.Positional.Count < offset)
            throw JinjaErrors.Fail("a filter by attribute needs the attribute's name");
        if (!Operators.IsTrue(value))
            return new Generator([]);
        var test = arguments.Positional.Count > offset ? Operators.ToText(arguments.Positional[offset]) : null;
        var rest = arguments with { Positional = [.. arguments.Positional.Skip(offset + 1)] };
        return new Generator(
            Iteration
                .Over(value)
                .Where(item =>
                {
                    var tested = byMember ? Members.Path(item, arguments.Positional[0]) : item;
                    return (test is null ? Operators.IsTrue(tested) : Tests.Holds(test, tested, rest)) == keep;
                })
        );
    }

    public static PythonList Sort(object? value, CallArguments arguments)
    {
        var bound = arguments.Bind("sort", 0, "reverse", "case_sensitive", "attribute");
        object?[] paths = bound.Get(2) is string many ? many.Split(',') : [bound.Get(2)];
        return Sorted(
            Iteration.Over(value),
            item => new PythonList([.. paths.Select(path => Folded(Members.Path(item, path), bound.Get(1, false)))]),
            bound.Get(0, false)
        );
    }

    public static object? Extreme(object? value, CallArguments arguments, bool largest)
    {
        var bound = arguments.Bind("min", 0, "case_sensitive", "attribute");
        var sorted = Sorted(Iteration.Over(value), item => Folded(Members.Path(item, bound.Get(1)), bound.Get(0, false)), largest).Items;
        return sorted.Count > 0 ? sorted[0] : new Undefined("the extreme of no items");
    }

    public static object? Sum(object? value, CallArguments arguments)
    {
        var bound = arguments.Bind("sum", 0, "attribute", "start");
        var start = bound.Get(1, 0L);
        return start is string
            ? throw JinjaErrors.Fail("texts cannot be summed")
            : Iteration.Over(value).Aggregate(start, (sum, item) => Operators.Binary("+", sum, Members.Path(item, bound.Get(0))));
    }

    public static Generator Unique(object? value, CallArguments arguments)
    {
        var bound = arguments.Bind("unique", 0, "case_sensitive", "attribute");
        var seen = new List<object?>();
        return new Generator(
            Iteration
                .Over(value)
                .Where(item =>
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
                })
        );
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

    private static object? Folded(object? value, object? caseSensitive) =>
        value is string text && !Operators.IsTrue(caseSensitive) ? PythonText.Lower(text) : value;

    public static IEnumerable<object?> Items(object? value)
    {
        if (value is Undefined)
            yield break;
        foreach (var pair in (value as PythonDict ?? throw JinjaErrors.Fail("'items' needs a dictionary")).Pairs)
            yield return new PythonTuple([pair.Key, pair.Value]);
    }

    public static object? Last(object? value) =>
        value switch
        {
            Generator => throw JinjaErrors.Fail("'last' of a generator"),
            _ => Iteration.Over(value).DefaultIfEmpty(new Undefined("the last of no items")).Last(),
        };
}
