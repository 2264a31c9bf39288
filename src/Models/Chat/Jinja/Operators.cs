using System.Text;

namespace DfPO.Models.Chat.Jinja;

/// <summary>Python's operators on a template's values.</summary>
internal static class Operators
{
    private const int DeepestNesting = 100;
    private const int LongestText = 1 << 24;
    private const int LongestList = 1 << 20;

    /// <summary>Whether a value counts as true.</summary>
    public static bool IsTrue(object? value) =>
        value switch
        {
            null or Undefined => false,
            bool flag => flag,
            long number => number != 0,
            double real => real != 0,
            string text => text.Length > 0,
            Markup markup => markup.Text.Length > 0,
            Sequence sequence => sequence.Items.Count > 0,
            PythonDict dict => dict.Count > 0,
            DictView view => view.Count > 0,
            NumberRange range => range.Count > 0,
            _ => true,
        };

    public static bool IsNumber(object? value) => value is long or double or bool;

    public static double ToDouble(object? value) =>
        value switch
        {
            long number => number,
            bool flag => flag ? 1 : 0,
            double real => real,
            _ => throw JinjaErrors.Fail($"a number is expected, not {TypeName(value)}"),
        };

    /// <summary>A whole number, or true and false as 1 and 0.</summary>
    public static long ToInteger(object? value) =>
        value switch
        {
            long number => number,
            bool flag => flag ? 1 : 0,
            _ => throw JinjaErrors.Fail($"a whole number is expected, not {TypeName(value)}"),
        };

    public static string ToText(object? value) => value as string ?? throw JinjaErrors.Fail($"a text is expected, not {TypeName(value)}");

    /// <summary>A type's name in Python.</summary>
    public static string TypeName(object? value) =>
        value switch
        {
            null => "None",
            bool => "bool",
            long => "int",
            double => "float",
            string => "str",
            Undefined undefined => $"'{undefined.What}', which is undefined",
            PythonList => "list",
            PythonTuple => "tuple",
            PythonDict => "dict",
            _ => value.GetType().Name,
        };

    public static bool AreEqual(object? left, object? right, int depth = 0)
    {
        if (depth > DeepestNesting)
            throw JinjaErrors.TooMuch($"values nested {DeepestNesting} deep");
        return (left, right) switch
        {
            (null, null) or (Undefined, Undefined) => true,
            (string a, string b) => a == b,
            (PythonList a, PythonList b) => SameItems(a, b, depth),
            (PythonTuple a, PythonTuple b) => SameItems(a, b, depth),
            (PythonDict a, PythonDict b) => a.Count == b.Count
                && a.Pairs.All(pair => b.TryGet(pair.Key, out var other) && AreEqual(pair.Value, other, depth + 1)),
            (Markup, _) or (_, Markup) => throw JinjaErrors.NotSupported("comparing a text marked as safe"),
            (NumberRange or DictView, _) or (_, NumberRange or DictView) => throw JinjaErrors.NotSupported(
                "comparing ranges or views of dictionaries"
            ),
            _ when IsNumber(left) && IsNumber(right) => left is double || right is double
                ? ToDouble(left) == ToDouble(right)
                : ToInteger(left) == ToInteger(right),
            _ => ReferenceEquals(left, right),
        };
    }

    /// <summary>Below 0, 0 or above 0, as left stands to right.</summary>
    public static int Order(object? left, object? right, int depth = 0)
    {
        if (depth > DeepestNesting)
            throw JinjaErrors.TooMuch($"values nested {DeepestNesting} deep");
        if (left is string a && right is string b)
            return PythonText.Compare(a, b);
        if (IsNumber(left) && IsNumber(right))
            return left is double || right is double
                ? RealOrder(ToDouble(left), ToDouble(right))
                : ToInteger(left).CompareTo(ToInteger(right));
        if (left is Sequence first && right is Sequence second && left.GetType() == right.GetType())
        {
            for (var i = 0; i < Math.Min(first.Items.Count, second.Items.Count); i++)
                if (!AreEqual(first.Items[i], second.Items[i], depth + 1))
                    return Order(first.Items[i], second.Items[i], depth + 1);
            return first.Items.Count - second.Items.Count;
        }
        throw JinjaErrors.Fail($"{TypeName(left)} and {TypeName(right)} have no order");
    }

    public static bool Compare(string op, object? left, object? right) =>
        op switch
        {
            "==" => AreEqual(left, right),
            "!=" => !AreEqual(left, right),
            "in" => Contains(right, left),
            "not in" => !Contains(right, left),
            "<" => Order(left, right) < 0,
            "<=" => Order(left, right) <= 0,
            ">" => Order(left, right) > 0,
            _ => Order(left, right) >= 0,
        };

    public static bool Contains(object? container, object? item) =>
        container switch
        {
            string text => text.Contains(ToText(item), StringComparison.Ordinal),
            PythonDict when item is PythonList or PythonDict => throw JinjaErrors.Fail($"{TypeName(item)} cannot be a dictionary's key"),
            PythonDict dict => item is string or long or double or bool && dict.TryGet(item, out _),
            _ => Iteration.Over(container).Any(other => AreEqual(other, item)),
        };

    public static object? Binary(string op, object? left, object? right)
    {
        if (left is Markup || right is Markup)
            throw JinjaErrors.NotSupported("an operator on a text marked as safe");
        return (op, left, right) switch
        {
            ("+", string a, string b) => a.Length + b.Length <= LongestText
                ? a + b
                : throw JinjaErrors.TooMuch("a text of millions of characters"),
            ("+", PythonList a, PythonList b) => new PythonList(Joined(a.Items, b.Items)),
            ("+", PythonTuple a, PythonTuple b) => new PythonTuple(Joined(a.Items, b.Items)),
            ("*", string a, long or bool) => Repeat(a, ToInteger(right)),
            ("*", long or bool, string b) => Repeat(b, ToInteger(left)),
            ("*", PythonList a, long or bool) => new PythonList(Repeat(a.Items, ToInteger(right))),
            ("*", long or bool, PythonList b) => new PythonList(Repeat(b.Items, ToInteger(left))),
            ("%", string a, _) => Formatted(a, right is PythonTuple many ? many.Items : [right]),
            _ when IsNumber(left) && IsNumber(right) => Arithmetic(op, left, right),
            _ => throw JinjaErrors.Fail($"'{op}' does not go between {TypeName(left)} and {TypeName(right)}"),
        };
    }

    public static object Signed(object? value, bool negative)
    {
        if (value is double real)
            return negative ? -real : real;
        return negative ? Checked(() => checked(-ToInteger(value))) : ToInteger(value);
    }

    /// <summary>A text of <c>printf</c>'s form; only %s, %d, %i, %r and %% without width or precision.</summary>
    public static string Formatted(string format, IReadOnlyList<object?> values)
    {
        var (result, used) = (new StringBuilder(), 0);
        for (var i = 0; i < format.Length; i++)
        {
            if (format[i] != '%')
            {
                result.Append(format[i]);
                continue;
            }
            var kind = ++i < format.Length ? format[i] : throw JinjaErrors.Fail("a format ends in '%'");
            if (kind == '%')
            {
                result.Append('%');
                continue;
            }
            var value = used < values.Count ? values[used++] : throw JinjaErrors.Fail("a format has too few values");
            result.Append(
                kind switch
                {
                    's' => PythonFormat.Text(value),
                    'r' => PythonFormat.Repr(value),
                    'd' or 'i' => PythonFormat.Text(value is double real ? Whole(Math.Truncate(real)) : ToInteger(value)),
                    _ => throw JinjaErrors.NotSupported($"the format '%{kind}'"),
                }
            );
        }
        return used == values.Count || (values is [PythonDict or PythonList or Undefined] && used == 0)
            ? result.ToString()
            : throw JinjaErrors.Fail("a format has too many values");
    }

    /// <summary>A real number without a fraction as a whole one.</summary>
    public static long Whole(double value) =>
        double.IsNaN(value) || double.IsInfinity(value) ? throw JinjaErrors.Fail("infinity and nan are no whole numbers")
        : Math.Abs(value) < 9e18 ? (long)value
        : throw JinjaErrors.TooMuch("a whole number beyond 64 bits");

    private static object Arithmetic(string op, object? left, object? right)
    {
        if (left is double || right is double || op == "/" || (op == "**" && ToInteger(right) < 0))
            return Real(op, ToDouble(left), ToDouble(right));
        long a = ToInteger(left),
            b = ToInteger(right);
        if (op is "//" or "%" && b == 0)
            throw JinjaErrors.Fail("a division by zero");
        return Checked(() =>
            checked(
                op switch
                {
                    "+" => a + b,
                    "-" => a - b,
                    "*" => a * b,
                    "//" => a / b - (a % b != 0 && (a ^ b) < 0 ? 1 : 0),
                    "%" => b == -1 ? 0
                    : a % b is var rest && rest != 0 && (rest ^ b) < 0 ? rest + b
                    : a % b,
                    _ => Power(a, b),
                }
            )
        );
    }

    private static double Real(string op, double a, double b)
    {
        if ((op is "/" or "//" or "%" && b == 0) || (op == "**" && a == 0 && b < 0))
            throw JinjaErrors.Fail("a division by zero");
        if (op == "**" && a < 0 && b != Math.Floor(b))
            throw JinjaErrors.NotSupported("a complex number");
        switch (op)
        {
            case "+":
                return a + b;
            case "-":
                return a - b;
            case "*":
                return a * b;
            case "/":
                return a / b;
            case "**":
                return double.IsInfinity(Math.Pow(a, b)) && double.IsFinite(a)
                    ? throw JinjaErrors.Fail("a power is too large")
                    : Math.Pow(a, b);
            default:
                var rest = a % b;
                var quotient = (a - rest) / b;
                if (rest != 0 && rest < 0 != b < 0)
                    (rest, quotient) = (rest + b, quotient - 1);
                return op == "%"
                    ? rest == 0
                        ? Math.CopySign(0, b)
                        : rest
                    : quotient == 0
                        ? Math.CopySign(0, a / b)
                        : Math.Round(quotient);
        }
    }

    private static long Power(long value, long exponent)
    {
        var result = 1L;
        if (value is 0 or 1 or -1)
            return exponent == 0 || value == 1 || (value == -1 && exponent % 2 == 0) ? 1 : value;
        for (; exponent > 0; exponent--)
            result = checked(result * value);
        return result;
    }

    private static long Checked(Func<long> compute)
    {
        try
        {
            return compute();
        }
        catch (OverflowException)
        {
            throw JinjaErrors.TooMuch("a whole number beyond 64 bits");
        }
    }

    private static int RealOrder(double left, double right) =>
        double.IsNaN(left) || double.IsNaN(right) ? throw JinjaErrors.NotSupported("the order of nan") : left.CompareTo(right);

    private static bool SameItems(Sequence left, Sequence right, int depth) =>
        left.Items.Count == right.Items.Count && left.Items.Zip(right.Items).All(pair => AreEqual(pair.First, pair.Second, depth + 1));

    private static object?[] Joined(IReadOnlyList<object?> left, IReadOnlyList<object?> right) =>
        left.Count + right.Count <= LongestList ? [.. left, .. right] : throw JinjaErrors.TooMuch("a list of a million items");

    private static string Repeat(string text, long times) =>
        times <= 0 || text.Length == 0 ? ""
        : times <= LongestText / text.Length ? new StringBuilder().Insert(0, text, (int)times).ToString()
        : throw JinjaErrors.TooMuch("a text of millions of characters");

    private static object?[] Repeat(IReadOnlyList<object?> items, long times) =>
        times <= 0 || items.Count == 0 ? []
        : times <= LongestList / items.Count ? [.. Enumerable.Range(0, (int)times).SelectMany(_ => items)]
        : throw JinjaErrors.TooMuch("a list of a million items");
}
