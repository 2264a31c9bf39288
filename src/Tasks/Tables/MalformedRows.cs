using DfPO.Models;

namespace DfPO.Tasks.Tables;

/// <summary>Counts rows that could not be used; over the limit the file counts as wrong.</summary>
/// <param name="limit">Most rows that may be malformed, at least 0.</param>
public sealed class MalformedRows(int limit)
{
    private const int Kept = 5;
    private readonly List<string> _first = [];

    /// <summary>Malformed rows so far.</summary>
    public int Count { get; private set; }

    /// <summary>The first few, each with file, line and reason.</summary>
    public IReadOnlyList<string> First => _first;

    /// <summary>Notes a row, or several that one mistake has swallowed.</summary>
    /// <param name="message">What is wrong, with file and line.</param>
    /// <param name="rows">How many rows are lost by it.</param>
    /// <exception cref="DfpoException"><c>dataset/malformed</c>: there are more than the limit.</exception>
    public void Add(string message, int rows = 1)
    {
        if (_first.Count < Kept)
            _first.Add(message);
        Count += rows;
        if (Count > limit)
            throw new DfpoException(
                "dataset/malformed",
                limit == 0
                    ? $"{message} Repair the row, or allow some malformed rows (max-malformed)."
                    : $"More than {limit} malformed rows, the first: {string.Join(" ", _first)}"
            );
    }
}
