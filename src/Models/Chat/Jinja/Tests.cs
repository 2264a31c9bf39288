namespace DfPO.Models.Chat.Jinja;

/// <summary>Jinja's tests: what may stand after <c>is</c>.</summary>
/// <remarks>Source: the list of built-in tests in Jinja 3.1's documentation.</remarks>
internal static class Tests
{
    private static readonly string[] s_plain =
    [
        "boolean",
        "callable",
        "defined",
        "undefined",
        "even",
        "odd",
        "false",
        "true",
        "float",
        "integer",
        "number",
        "iterable",
        "sequence",
        "mapping",
        "string",
        "none",
        "lower",
        "upper",
    ];

    /// <summary>Whether a test holds of a value.</summary>
    public static bool Holds(string id, object? value, CallArguments arguments)
    {
        object? Other() => arguments.Bind(id, 1, "other").Get(0);
        if (value is Markup && id is not ("string" or "defined" or "undefined" or "none" or "mapping" or "boolean" or "number"))
            throw JinjaErrors.NotSupported($"the test '{id}' on a text marked as safe");
        if (s_plain.Contains(id))
            arguments.Bind(id, 0);
        return id switch
        {
            "boolean" => value is bool,
            "callable" => value is Callable or Undefined,
            "defined" => value is not Undefined,
            "undefined" => value is Undefined,
            "divisibleby" => Operators.AreEqual(Operators.Binary("%", Number(value), Number(Other())), 0L),
            "even" => Operators.AreEqual(Operators.Binary("%", Number(value), 2L), 0L),
            "odd" => Operators.AreEqual(Operators.Binary("%", Number(value), 2L), 1L),
            "false" => value is false,
            "true" => value is true,
            "float" => value is double,
            "integer" => value is long,
            "number" => Operators.IsNumber(value),
            "iterable" => Iteration.TryOver(value) is not null,
            "sequence" => value is string or Sequence or PythonDict or NumberRange or Undefined,
            "mapping" => value is PythonDict,
            "string" => value is string or Markup,
            "none" => value is null,
            "lower" => PythonText.HasCase(PythonFormat.Text(value), upper: false),
            "upper" => PythonText.HasCase(PythonFormat.Text(value), upper: true),
            "sameas" => Same(value, Other()),
            "in" => Operators.Contains(Other(), value),
            "==" or "eq" or "equalto" => Operators.Compare("==", value, Other()),
            "!=" or "ne" => Operators.Compare("!=", value, Other()),
            "<" or "lt" or "lessthan" => Operators.Compare("<", value, Other()),
            "<=" or "le" => Operators.Compare("<=", value, Other()),
            ">" or "gt" or "greaterthan" => Operators.Compare(">", value, Other()),
            ">=" or "ge" => Operators.Compare(">=", value, Other()),
            "filter" or "test" or "escaped" => throw JinjaErrors.NotSupported($"the test '{id}'"),
            _ => throw JinjaErrors.Fail($"there is no test '{id}'"),
        };
    }

    private static object? Number(object? value) =>
        Operators.IsNumber(value) ? value : throw JinjaErrors.Fail($"a number is expected, not {Operators.TypeName(value)}");

    private static bool Same(object? value, object? other) =>
        (value, other) switch
        {
            (null, null) => true,
            (bool a, bool b) => a == b,
            (long or double or string, long or double or string) => throw JinjaErrors.NotSupported("'sameas' between texts or numbers"),
            _ => ReferenceEquals(value, other),
        };
}
