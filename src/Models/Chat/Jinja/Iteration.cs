namespace DfPO.Models.Chat.Jinja;

/// <summary>Walks over a template's values.</summary>
internal static class Iteration
{
    /// <summary>Items of a value: characters of a text, keys of a dictionary, none of what is undefined.</summary>
    /// <exception cref="JinjaException">It has none.</exception>
    public static IEnumerable<object?> Over(object? value) =>
        TryOver(value) ?? throw JinjaErrors.Fail($"{Operators.TypeName(value)} cannot be walked over");

    /// <summary>The same; null for a value without items.</summary>
    public static IEnumerable<object?>? TryOver(object? value) =>
        value switch
        {
            string text => PythonText.Characters(text),
            Sequence sequence => sequence.Items,
            PythonDict dict => dict.Keys,
            DictView view => view.Items,
            NumberRange range => range.Items,
            Generator generator => generator,
            LoopState loop => loop.Items(),
            Undefined => [],
            _ => null,
        };

    /// <summary><c>len(value)</c>; null for a value without a length.</summary>
    public static long? Length(object? value) =>
        value switch
        {
            string text => PythonText.Length(text),
            Sequence sequence => sequence.Items.Count,
            PythonDict dict => dict.Count,
            DictView view => view.Count,
            NumberRange range => range.Count,
            LoopState loop => loop.Length,
            Undefined => 0,
            _ => null,
        };
}
