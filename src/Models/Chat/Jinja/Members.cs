namespace DfPO.Models.Chat.Jinja;

/// <summary>Attributes, subscripts and slices of a template's values, in the order in which Jinja's sandbox looks for them.</summary>
internal static class Members
{
    private static readonly string[] s_listMutators = ["append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"];
    private static readonly string[] s_dictMutators = ["clear", "pop", "popitem", "setdefault", "update"];
    private static readonly string[] s_numberMembers =
    [
        "real",
        "imag",
        "numerator",
        "denominator",
        "bit_length",
        "bit_count",
        "conjugate",
        "as_integer_ratio",
        "is_integer",
        "to_bytes",
        "from_bytes",
        "hex",
        "fromhex",
    ];

    /// <summary><c>target.member</c>: a method first, then an item.</summary>
    public static object? Attribute(object? target, string member) =>
        Method(target, member, out var method) ? method
        : target is PythonDict dict && dict.TryGet(member, out var value) ? value
        : Missing(member);

    /// <summary><c>target[key]</c>: an item first, then a method.</summary>
    public static object? Subscript(object? target, object? key)
    {
        if (target is PythonDict dict)
        {
            if (key is string or long or double or bool && dict.TryGet(key, out var value))
                return value;
        }
        else if (key is long or bool && Index(target, Operators.ToInteger(key), out var item))
            return item;
        return key is string member && Method(target, member, out var method) ? method
            : target is Undefined undefined ? throw JinjaErrors.Fail($"'{undefined.What}' is undefined")
            : Missing(key as string ?? PythonFormat.Text(key));
    }

    /// <summary>A member by a path such as <c>function.name</c> or <c>0</c>, as filters take it.</summary>
    public static object? Path(object? target, object? path)
    {
        if (path is not string text)
            return path is null ? target : Subscript(target, path);
        foreach (var part in text.Split('.'))
            target = Subscript(target, part.Length > 0 && part.All(char.IsAsciiDigit) ? Parsed(part) : part);
        return target;
    }

    /// <summary><c>target[from:to:step]</c>.</summary>
    public static object? Slice(object? target, object? from, object? to, object? step)
    {
        var stride = step is null ? 1 : Operators.ToInteger(step);
        if (stride == 0)
            throw JinjaErrors.Fail("a slice's step is 0");
        switch (target)
        {
            case string text:
                var characters = PythonText.Characters(text).ToArray();
                return string.Concat(Positions(characters.Length, from, to, stride).Select(i => characters[i]));
            case PythonList list:
                return new PythonList([.. Positions(list.Items.Count, from, to, stride).Select(i => list.Items[i])]);
            case PythonTuple tuple:
                return new PythonTuple([.. Positions(tuple.Items.Count, from, to, stride).Select(i => tuple.Items[i])]);
            case NumberRange or Markup:
                throw JinjaErrors.NotSupported("a slice of a range or of a text marked as safe");
            case Undefined undefined:
                throw JinjaErrors.Fail($"'{undefined.What}' is undefined");
            default:
                return Missing("a slice");
        }
    }

    private static Undefined Missing(string member) => new(member);

    private static long Parsed(string digits) =>
        long.TryParse(digits, out var index) ? index : throw JinjaErrors.TooMuch($"the index {digits}");

    private static bool Index(object? target, long index, out object? item)
    {
        item = null;
        var length = target is string or Sequence or NumberRange ? Iteration.Length(target)!.Value : 0;
        index = index < 0 ? index + length : index;
        if (index < 0 || index >= length)
            return false;
        item = target switch
        {
            Sequence sequence => sequence.Items[(int)index],
            NumberRange range => range.Start + index * range.Step,
            _ => PythonText.Characters((string)target!).ElementAt((int)index),
        };
        return true;
    }

    private static IEnumerable<int> Positions(int length, object? from, object? to, long step)
    {
        long Clamp(object? bound, long fallback)
        {
            if (bound is null)
                return fallback;
            var index = Operators.ToInteger(bound);
            index = index < 0 ? index + length : index;
            return step > 0 ? Math.Clamp(index, 0, length) : Math.Clamp(index, -1, length - 1);
        }
        long start = Clamp(from, step > 0 ? 0 : length - 1),
            end = Clamp(to, step > 0 ? length : -1);
        for (var i = start; step > 0 ? i < end : i > end; i += Math.Clamp(step, -length - 1, length + 1))
            yield return (int)i;
    }

    private static bool Method(object? target, string member, out object? method)
    {
        method = target switch
        {
            _ when member.StartsWith("__", StringComparison.Ordinal) => Missing(member),
            Undefined undefined => throw JinjaErrors.Fail($"'{undefined.What}' is undefined"),
            string text => TextMethods.Get(text, member),
            Markup => throw JinjaErrors.NotSupported("a method of a text marked as safe"),
            PythonDict dict => OfDict(dict, member),
            Sequence sequence => OfSequence(sequence, member),
            Namespace space => space.Members.TryGetValue(member, out var value) ? new Found(value) : null,
            LoopState loop => loop.TryGet(member, out var value) ? new Found(value) : null,
            long or double or bool when s_numberMembers.Contains(member) => throw JinjaErrors.NotSupported($"a number's '{member}'"),
            Callable or NumberRange or DictView or Generator => throw JinjaErrors.NotSupported(
                $"the member '{member}' of a function, range or generator"
            ),
            _ => null,
        };
        var found = method is not null;
        if (method is Found wrapped)
            method = wrapped.Value;
        return found;
    }

    private static object? OfDict(PythonDict dict, string member) =>
        member switch
        {
            "items" => new Callable("items", _ => new DictView(
                dict.Count,
                dict.Pairs.Select(pair => new PythonTuple([pair.Key, pair.Value]))
            )),
            "keys" => new Callable("keys", _ => new DictView(dict.Count, dict.Keys)),
            "values" => new Callable("values", _ => new DictView(dict.Count, dict.Values)),
            "copy" => new Callable("copy", _ => dict),
            "get" => new Callable("get", arguments =>
            {
                var bound = arguments.Bind("get", 1, "key", "default");
                return bound.Get(0) is string or long or double or bool && dict.TryGet(bound.Get(0), out var value) ? value : bound.Get(1);
            }),
            "fromkeys" => throw JinjaErrors.NotSupported("a dictionary's 'fromkeys'"),
            _ when s_dictMutators.Contains(member) => Missing($"{member} (a template cannot change what it is given)"),
            _ => null,
        };

    private static object? OfSequence(Sequence sequence, string member) =>
        member switch
        {
            "count" => new Callable("count", arguments =>
                (long)sequence.Items.Count(item => Operators.AreEqual(item, arguments.Bind("count", 1, "value").Get(0)))
            ),
            "index" => new Callable("index", arguments =>
            {
                var value = arguments.Bind("index", 1, "value").Get(0);
                for (var i = 0; i < sequence.Items.Count; i++)
                    if (Operators.AreEqual(sequence.Items[i], value))
                        return (long)i;
                throw JinjaErrors.Fail("a list does not hold the value that its 'index' was asked for");
            }),
            "copy" when sequence is PythonList => new Callable("copy", _ => sequence),
            _ when sequence is PythonList && s_listMutators.Contains(member) => Missing(
                $"{member} (a template cannot change what it is given)"
            ),
            _ => null,
        };

    /// <summary>A member's value, which may be None.</summary>
    private sealed record Found(object? Value);
}
