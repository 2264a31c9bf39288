using System.Collections;
using System.Diagnostics.CodeAnalysis;

namespace DfPO.Models.Chat.Jinja;

// A value is null (None), bool, long, double, string, or one of the types here.

/// <summary>
/// What a name or member stands for that is not there: prints as nothing, is false and empty, and fails where more is asked of it.
/// </summary>
/// <param name="what">The name, for the error.</param>
internal sealed class Undefined(string what)
{
    public string What { get; } = what;
}

/// <summary>Text that Jinja would not escape, as the filter <c>safe</c> makes it: it can be printed, and nothing else.</summary>
internal sealed record Markup(string Text);

/// <summary>A list or tuple.</summary>
internal abstract class Sequence(IReadOnlyList<object?> items)
{
    public IReadOnlyList<object?> Items { get; } = items;
}

internal sealed class PythonList(IReadOnlyList<object?> items) : Sequence(items);

internal sealed class PythonTuple(IReadOnlyList<object?> items) : Sequence(items);

/// <summary>A dictionary; its keys keep the order in which they came.</summary>
internal sealed class PythonDict
{
    private readonly OrderedDictionary<object, object?> _items = new(KeyComparer.Instance);

    public int Count => _items.Count;

    public IEnumerable<object?> Keys => _items.Keys;

    public IEnumerable<object?> Values => _items.Values;

    public IEnumerable<KeyValuePair<object, object?>> Pairs => _items;

    public object? this[object key]
    {
        set => _items[Checked(key)] = value;
    }

    public bool TryGet(object? key, out object? value) => _items.TryGetValue(Checked(key), out value);

    private static object Checked(object? key) =>
        key is string or long or bool or double
            ? key
            : throw JinjaErrors.NotSupported("a dictionary's key that is neither text nor number");

    /// <summary>Equal numbers are one key, whatever their type.</summary>
    private sealed class KeyComparer : IEqualityComparer<object>
    {
        public static KeyComparer Instance { get; } = new();

        bool IEqualityComparer<object>.Equals(object? x, object? y) => Operators.AreEqual(x, y);

        public int GetHashCode([DisallowNull] object key) =>
            key switch
            {
                string text => text.GetHashCode(StringComparison.Ordinal),
                _ => Operators.ToDouble(key).GetHashCode(),
            };
    }
}

/// <summary>
/// What <c>items()</c>, <c>keys()</c> or <c>values()</c> of a dictionary gives: it has a length and can be walked again and again, but has
/// no members.
/// </summary>
internal sealed class DictView(int count, IEnumerable<object?> items)
{
    public int Count { get; } = count;

    public IEnumerable<object?> Items { get; } = items;
}

/// <summary>Whole numbers from a start in equal steps.</summary>
internal sealed record NumberRange(long Start, int Count, long Step)
{
    public IEnumerable<object?> Items => Enumerable.Range(0, Count).Select(i => (object?)(Start + i * Step));
}

/// <summary>A generator: walked once.</summary>
internal sealed class Generator(IEnumerable<object?> items) : IEnumerable<object?>
{
    private readonly IEnumerator<object?> _items = items.GetEnumerator();

    public IEnumerator<object?> GetEnumerator()
    {
        while (_items.MoveNext())
            yield return _items.Current;
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}

/// <summary>The one object of a template whose members can be set.</summary>
internal sealed class Namespace
{
    public Dictionary<string, object?> Members { get; } = [];
}

/// <summary>Something that can be called.</summary>
/// <param name="id">Its name, for errors.</param>
/// <param name="body">What it does.</param>
internal sealed class Callable(string id, Func<CallArguments, object?> body)
{
    public string Id { get; } = id;

    public object? Invoke(CallArguments arguments) => body(arguments);
}

/// <summary>Arguments of a call, evaluated.</summary>
/// <param name="Positional">Plain ones.</param>
/// <param name="Keywords">Named ones.</param>
internal sealed record CallArguments(IReadOnlyList<object?> Positional, IReadOnlyDictionary<string, object?> Keywords)
{
    private static readonly object s_absent = new();

    /// <summary>The arguments in the order of the parameters.</summary>
    /// <param name="callee">Named in errors.</param>
    /// <param name="required">How many of the first parameters must be given.</param>
    /// <param name="parameters">Names of all.</param>
    public Bound Bind(string callee, int required, params string[] parameters)
    {
        if (Positional.Count > parameters.Length)
            throw JinjaErrors.Fail($"'{callee}' takes {parameters.Length} arguments, not {Positional.Count}");
        var values = new object?[parameters.Length];
        Array.Fill(values, s_absent);
        for (var i = 0; i < Positional.Count; i++)
            values[i] = Positional[i];
        foreach (var (key, value) in Keywords)
        {
            var index = Array.IndexOf(parameters, key);
            if (index < 0 || index < Positional.Count)
                throw JinjaErrors.Fail($"'{callee}' cannot take the argument '{key}'");
            values[index] = value;
        }
        for (var i = 0; i < required; i++)
            if (values[i] == s_absent)
                throw JinjaErrors.Fail($"'{callee}' needs the argument '{parameters[i]}'");
        return new Bound(values);
    }

    /// <summary>Arguments in the order of parameters.</summary>
    public readonly struct Bound(object?[] values)
    {
        public bool Has(int index) => values[index] != s_absent;

        public object? Get(int index, object? fallback = null) => values[index] == s_absent ? fallback : values[index];
    }
}
