namespace DfPO.Models.Chat.Jinja;

/// <summary>
/// The variable <c>loop</c>. Items are taken from the source no earlier than they are needed: a loop's condition may depend on what its
/// body did.
/// </summary>
/// <param name="source">What is walked over.</param>
internal sealed class LoopState(IEnumerable<object?> source) : IDisposable
{
    private readonly IEnumerator<object?> _source = source.GetEnumerator();
    private readonly List<object?> _ahead = [];
    private long _index = -1;
    private object? _previous = new Undefined("loop.previtem");
    private object? _current;
    private PythonTuple? _changed;

    public long Length => _index + 1 + ReadAhead(int.MaxValue);

    /// <summary>Goes to the next item, if there is one.</summary>
    public bool Next(out object? item)
    {
        item = null;
        if (ReadAhead(1) == 0)
            return false;
        if (_index >= 0)
            _previous = _current;
        _index++;
        item = _current = _ahead[0];
        _ahead.RemoveAt(0);
        return true;
    }

    /// <summary>The items that are left, for a loop over the loop itself.</summary>
    public IEnumerable<object?> Items() => throw JinjaErrors.NotSupported("walking over 'loop'");

    /// <summary>A member; null when there is none of this name.</summary>
    public bool TryGet(string member, out object? value)
    {
        value = member switch
        {
            "index" => _index + 1,
            "index0" => _index,
            "revindex" => Length - _index,
            "revindex0" => Length - _index - 1,
            "first" => _index == 0,
            "last" => ReadAhead(1) == 0,
            "length" => Length,
            "depth" => 1L,
            "depth0" => 0L,
            "previtem" => _previous,
            "nextitem" => ReadAhead(1) > 0 ? _ahead[0] : new Undefined("loop.nextitem"),
            "cycle" => new Callable("loop.cycle", arguments =>
                arguments.Positional.Count > 0
                    ? arguments.Positional[(int)(_index % arguments.Positional.Count)]
                    : throw JinjaErrors.Fail("'loop.cycle' needs items")
            ),
            "changed" => new Callable("loop.changed", arguments => Changed(new PythonTuple(arguments.Positional))),
            _ => this,
        };
        return value != this;
    }

    public void Dispose() => _source.Dispose();

    private object? Changed(PythonTuple values)
    {
        var same = _changed is not null && Operators.AreEqual(_changed, values);
        _changed = values;
        return !same;
    }

    private int ReadAhead(int count)
    {
        while (_ahead.Count < count && _source.MoveNext())
            _ahead.Add(_source.Current);
        return _ahead.Count;
    }
}
