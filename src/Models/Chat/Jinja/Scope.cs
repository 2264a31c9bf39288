namespace DfPO.Models.Chat.Jinja;

/// <summary>Names with their values, and the scope around them.</summary>
/// <param name="outer">The scope around this one; null for the outermost.</param>
internal sealed class Scope(Scope? outer)
{
    private readonly Dictionary<string, object?> _values = [];

    public object? this[string id]
    {
        get
        {
            for (var scope = this; scope is not null; scope = scope.Outer)
                if (scope._values.TryGetValue(id, out var value))
                    return value;
            return new Undefined(id);
        }
        set => _values[id] = value;
    }

    private Scope? Outer { get; } = outer;
}
