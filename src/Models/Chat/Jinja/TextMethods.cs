namespace DfPO.Models.Chat.Jinja;

/// <summary>The methods of Python's <c>str</c> that templates call.</summary>
internal static class TextMethods
{
    private static readonly string[] s_unsupported =
    [
        "encode",
        "expandtabs",
        "format",
        "format_map",
        "isascii",
        "isdecimal",
        "isidentifier",
        "isnumeric",
        "isprintable",
        "istitle",
        "maketrans",
        "translate",
    ];

    private static readonly string[] s_plain =
    [
        "upper",
        "lower",
        "casefold",
        "capitalize",
        "title",
        "swapcase",
        "isupper",
        "islower",
        "isspace",
        "isdigit",
        "isalpha",
        "isalnum",
    ];

    /// <summary>A method bound to a text; null when <c>str</c> has none of this name.</summary>
    public static object? Get(string text, string member)
    {
        if (s_unsupported.Contains(member))
            throw JinjaErrors.NotSupported($"the method '{member}' of a text");
        Func<CallArguments, object?>? body = member switch
        {
            "strip" => a => PythonText.Strip(text, Characters(a, member)),
            "lstrip" => a => PythonText.Strip(text, Characters(a, member), end: false),
            "rstrip" => a => PythonText.Strip(text, Characters(a, member), start: false),
            "split" => a => Split(text, a, fromEnd: false),
            "rsplit" => a => Split(text, a, fromEnd: true),
            "splitlines" => a => List(PythonText.Lines(text, Operators.IsTrue(a.Bind(member, 0, "keepends").Get(0, false)))),
            "partition" => a => Partition(text, One(a, member), fromEnd: false),
            "rpartition" => a => Partition(text, One(a, member), fromEnd: true),
            "startswith" => a => Any(a, member, part => text.StartsWith(part, StringComparison.Ordinal)),
            "endswith" => a => Any(a, member, part => text.EndsWith(part, StringComparison.Ordinal)),
            "removeprefix" => a =>
                One(a, member) is var part && text.StartsWith(part, StringComparison.Ordinal) ? text[part.Length..] : text,
            "removesuffix" => a =>
                One(a, member) is var part && part.Length > 0 && text.EndsWith(part, StringComparison.Ordinal)
                    ? text[..^part.Length]
                    : text,
            "replace" => a => Replace(text, a),
            "find" => a => Find(text, One(a, member), fromEnd: false),
            "rfind" => a => Find(text, One(a, member), fromEnd: true),
            "index" => a => Found(Find(text, One(a, member), fromEnd: false)),
            "rindex" => a => Found(Find(text, One(a, member), fromEnd: true)),
            "count" => a => (long)PythonText.Count(text, One(a, member)),
            "join" => a => Join(text, Iteration.Over(a.Bind(member, 1, "items").Get(0)).Select(Operators.ToText)),
            "upper" => _ => PythonText.Upper(text),
            "lower" or "casefold" when member == "lower" || text.All(char.IsAscii) => _ => PythonText.Lower(text),
            "casefold" => _ => throw JinjaErrors.NotSupported("'casefold' of a text that is not ASCII"),
            "capitalize" => _ => PythonText.Capitalize(text),
            "title" => _ => PythonText.Title(text),
            "swapcase" => _ => PythonText.SwapCase(text),
            "isupper" => _ => PythonText.HasCase(text, upper: true),
            "islower" => _ => PythonText.HasCase(text, upper: false),
            "isspace" => _ => text.Length > 0 && text.EnumerateRunes().All(PythonText.IsSpace),
            "isdigit" => _ => Ascii(text, member) && text.Length > 0 && text.All(char.IsAsciiDigit),
            "isalpha" => _ => text.Length > 0 && text.EnumerateRunes().All(System.Text.Rune.IsLetter),
            "isalnum" => _ => Ascii(text, member) && text.Length > 0 && text.All(char.IsAsciiLetterOrDigit),
            "ljust" => a => Pad(text, a, member, (missing, _) => (0, missing)),
            "rjust" => a => Pad(text, a, member, (missing, _) => (missing, 0)),
            "center" => a =>
                Pad(text, a, member, (missing, width) =>
                    missing / 2 + (int)(missing & width & 1) is var left ? (left, missing - left) : default
                ),
            "zfill" => a => Zeros(text, a),
            _ => null,
        };
        return body is null ? null : new Callable(member, arguments =>
            {
                if (s_plain.Contains(member))
                    arguments.Bind(member, 0);
                return body(arguments);
            });
    }

    /// <summary>A text in the middle of blanks, as the filter <c>center</c> has it.</summary>
    public static object? Center(string text, object? width) =>
        ((Callable)Get(text, "center")!).Invoke(new CallArguments([width], new Dictionary<string, object?>()));

    /// <summary>Texts with one between each two of them.</summary>
    public static string Join(string separator, IEnumerable<string> texts)
    {
        const int longest = 1 << 24;
        var (parts, length) = (new List<string>(), 0L);
        foreach (var text in texts)
        {
            parts.Add(text);
            if ((length += text.Length + separator.Length) > longest)
                throw JinjaErrors.TooMuch("a text of millions of characters");
        }
        return string.Join(separator, parts);
    }

    /// <summary><c>text.replace</c>, with a bound on what comes out.</summary>
    public static string Replace(string text, string old, string by, long most)
    {
        if ((long)PythonText.Count(text, old) * by.Length > 1 << 24)
            throw JinjaErrors.TooMuch("a text of millions of characters");
        return PythonText.Replace(text, old, by, most);
    }

    private static string Replace(string text, CallArguments arguments)
    {
        var bound = arguments.Bind("replace", 2, "old", "new", "count");
        return Replace(text, Operators.ToText(bound.Get(0)), Operators.ToText(bound.Get(1)), Operators.ToInteger(bound.Get(2, -1L)));
    }

    private static PythonList Split(string text, CallArguments arguments, bool fromEnd)
    {
        var bound = arguments.Bind("split", 0, "sep", "maxsplit");
        var separator = bound.Get(0) is { } given ? Operators.ToText(given) : null;
        return separator?.Length == 0
            ? throw JinjaErrors.Fail("a text is split at an empty separator")
            : List(PythonText.Split(text, separator, Operators.ToInteger(bound.Get(1, -1L)) is var most && most < 0 ? -1 : most, fromEnd));
    }

    private static PythonTuple Partition(string text, string separator, bool fromEnd)
    {
        if (separator.Length == 0)
            throw JinjaErrors.Fail("a text is split at an empty separator");
        var cut = fromEnd ? text.LastIndexOf(separator, StringComparison.Ordinal) : text.IndexOf(separator, StringComparison.Ordinal);
        return cut < 0
            ? new PythonTuple(fromEnd ? ["", "", text] : [text, "", ""])
            : new PythonTuple([text[..cut], separator, text[(cut + separator.Length)..]]);
    }

    private static long Find(string text, string part, bool fromEnd)
    {
        var at = fromEnd
            ? part.Length == 0
                ? text.Length
                : text.LastIndexOf(part, StringComparison.Ordinal)
            : text.IndexOf(part, StringComparison.Ordinal);
        return at < 0 ? -1 : PythonText.Length(text[..at]);
    }

    private static long Found(long index) =>
        index >= 0 ? index : throw JinjaErrors.Fail("a text does not hold the part that its 'index' was asked for");

    private static bool Any(CallArguments arguments, string member, Func<string, bool> fits) =>
        arguments.Bind(member, 1, "prefix").Get(0) switch
        {
            PythonTuple many => many.Items.Any(item => fits(Operators.ToText(item))),
            var one => fits(Operators.ToText(one)),
        };

    private static string Pad(string text, CallArguments arguments, string member, Func<int, long, (int Left, int Right)> sides)
    {
        var bound = arguments.Bind(member, 1, "width", "fillchar");
        var (width, fill) = (Operators.ToInteger(bound.Get(0)), Operators.ToText(bound.Get(1, " ")));
        if (PythonText.Length(fill) != 1)
            throw JinjaErrors.Fail($"'{member}' fills with one character");
        if (width > 1 << 20)
            throw JinjaErrors.TooMuch("a text of millions of characters");
        var missing = (int)Math.Max(0, width - PythonText.Length(text));
        var (left, right) = sides(missing, width);
        return string.Concat(Enumerable.Repeat(fill, left)) + text + string.Concat(Enumerable.Repeat(fill, right));
    }

    private static string Zeros(string text, CallArguments arguments)
    {
        var width = Operators.ToInteger(arguments.Bind("zfill", 1, "width").Get(0));
        if (width > 1 << 20)
            throw JinjaErrors.TooMuch("a text of millions of characters");
        var sign = text is ['+' or '-', ..] ? 1 : 0;
        return text[..sign] + new string('0', (int)Math.Max(0, width - PythonText.Length(text))) + text[sign..];
    }

    private static bool Ascii(string text, string member) =>
        text.All(char.IsAscii) ? true : throw JinjaErrors.NotSupported($"'{member}' of a text that is not ASCII");

    private static string? Characters(CallArguments arguments, string member) =>
        arguments.Bind(member, 0, "chars").Get(0) is { } given ? Operators.ToText(given) : null;

    private static string One(CallArguments arguments, string member) => Operators.ToText(arguments.Bind(member, 1, "value").Get(0));

    private static PythonList List(IEnumerable<string> items) => new([.. items]);
}
