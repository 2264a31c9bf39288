using System.Text.Json;
using DfPO.Models;

namespace DfPO.Actors.Files;

/// <summary>Lines of JSON to which a run appends, one value a line, and which a crash may have cut short.</summary>
public static class JsonLines
{
    /// <summary>The values in their order. A last line that is not whole counts as not written; any other is an error.</summary>
    /// <param name="lines">The file's lines.</param>
    /// <param name="parse">The value of a line; a <see cref="JsonException"/> says that it is none.</param>
    /// <param name="corrupt">The error of a line that is none, given its number from 1.</param>
    /// <exception cref="DfpoException">What <paramref name="corrupt"/> makes.</exception>
    public static IEnumerable<T> Read<T>(
        IReadOnlyList<string> lines,
        Func<string, T> parse,
        Func<int, JsonException, DfpoException> corrupt
    )
    {
        foreach (var (index, text) in lines.Index())
        {
            T value;
            try
            {
                value = parse(text);
            }
            catch (JsonException) when (index == lines.Count - 1)
            {
                yield break;
            }
            catch (JsonException e)
            {
                throw corrupt(index + 1, e);
            }
            yield return value;
        }
    }
}
