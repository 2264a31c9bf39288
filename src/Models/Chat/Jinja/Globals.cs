using System.Globalization;
using System.Text;

namespace DfPO.Models.Chat.Jinja;

/// <summary>The functions that every template has: Jinja's, and the two that transformers adds.</summary>
internal static class Globals
{
    private const int LongestRange = 100_000;

    /// <summary>Functions by name.</summary>
    /// <param name="clock">What <c>strftime_now</c> looks at.</param>
    public static Dictionary<string, object?> Create(TimeProvider clock) =>
        new()
        {
            ["range"] = new Callable("range", Range),
            ["dict"] = new Callable("dict", arguments => Filled(new PythonDict(), arguments, (dict, key, value) => dict[key] = value)),
            ["namespace"] = new Callable("namespace", arguments =>
                Filled(new Namespace(), arguments, (space, key, value) => space.Members[key] = value)
            ),
            ["lipsum"] = new Callable("lipsum", _ => throw JinjaErrors.NotSupported("'lipsum'")),
            ["cycler"] = new Callable("cycler", _ => throw JinjaErrors.NotSupported("'cycler'")),
            ["joiner"] = new Callable("joiner", _ => throw JinjaErrors.NotSupported("'joiner'")),
            ["raise_exception"] = new Callable("raise_exception", arguments =>
                throw new JinjaException(JinjaErrors.Refused, PythonFormat.Text(arguments.Bind("raise_exception", 1, "message").Get(0)))
            ),
            ["strftime_now"] = new Callable("strftime_now", arguments =>
                Time(clock.GetLocalNow(), Operators.ToText(arguments.Bind("strftime_now", 1, "format").Get(0)))
            ),
        };

    private static NumberRange Range(CallArguments arguments)
    {
        if (arguments.Keywords.Count > 0 || arguments.Positional.Count is 0 or > 3)
            throw JinjaErrors.Fail("'range' takes one to three numbers");
        var numbers = arguments.Positional.Select(Operators.ToInteger).ToArray();
        var (start, stop, step) = numbers.Length == 1 ? (0, numbers[0], 1) : (numbers[0], numbers[1], numbers.Length == 3 ? numbers[2] : 1);
        if (step == 0)
            throw JinjaErrors.Fail("a range's step is 0");
        var count = step > 0 ? ((Int128)stop - start + step - 1) / step : ((Int128)start - stop - step - 1) / -(Int128)step;
        return count <= LongestRange
            ? new NumberRange(start, (int)Int128.Max(0, count), step)
            : throw JinjaErrors.Fail($"a range of more than {LongestRange} numbers");
    }

    private static T Filled<T>(T target, CallArguments arguments, Action<T, string, object?> set)
    {
        if (arguments.Positional.Count > 1)
            throw JinjaErrors.Fail("one dictionary and named values are expected");
        foreach (var source in arguments.Positional)
            foreach (
                var (key, value) in (
                    source as PythonDict
                    ?? throw JinjaErrors.NotSupported("making a dictionary or namespace of something else than a dictionary")
                ).Pairs
            )
                set(target, Operators.ToText(key), value);
        foreach (var (key, value) in arguments.Keywords)
            set(target, key, value);
        return target;
    }

    /// <summary>The time in a <c>strftime</c> format, in English.</summary>
    private static string Time(DateTimeOffset now, string format)
    {
        var result = new StringBuilder();
        for (var i = 0; i < format.Length; i++)
        {
            if (format[i] != '%')
            {
                result.Append(format[i]);
                continue;
            }
            var code = ++i < format.Length ? format[i] : throw JinjaErrors.NotSupported("a time format that ends in '%'");
            result.Append(
                code == '%'
                    ? "%"
                    : now.ToString(
                        code switch
                        {
                            'a' => "ddd",
                            'A' => "dddd",
                            'b' => "MMM",
                            'B' => "MMMM",
                            'd' => "dd",
                            'm' => "MM",
                            'y' => "yy",
                            'Y' => "yyyy",
                            'H' => "HH",
                            'I' => "hh",
                            'M' => "mm",
                            'S' => "ss",
                            'p' => "tt",
                            'F' => "yyyy-MM-dd",
                            'T' => "HH:mm:ss",
                            _ => throw JinjaErrors.NotSupported($"the time format '%{code}'"),
                        },
                        CultureInfo.InvariantCulture
                    )
            );
        }
        return result.ToString();
    }
}
