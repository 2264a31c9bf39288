using Akka.Configuration;
using Akka.Configuration.Hocon;
using DfPO.Models;

namespace DfPO.Host.Configuration;

/// <summary>Reads HOCON files with Akka's parser into trees whose values remember their file.</summary>
internal static class HoconFile
{
    private const string NotInPlainText = "$:=+`^?!@*&\\";

    private const int MostDepth = 64,
        MostCharacters = 1 << 20;

    /// <summary>
    /// Reads a file. The files that it includes, at its top level and relative to its folder, are read first; its own keys win.
    /// </summary>
    /// <exception cref="DfpoException"><c>config/missing-file</c>, <c>config/syntax</c> or <c>config/include-cycle</c>.</exception>
    public static ConfigNode.Branch Read(string path) => Read(Path.GetFullPath(path), []);

    /// <summary>Reads HOCON text that includes nothing.</summary>
    public static ConfigNode.Branch Parse(string text, string source) =>
        Parse(text, source, _ => throw Error(source, "an include is not possible here"));

    private static ConfigNode.Branch Read(string path, IReadOnlyList<string> includedBy)
    {
        if (includedBy.Contains(path))
            throw new DfpoException(
                "config/include-cycle",
                $"'{path}' includes itself: {string.Join(" -> ", includedBy.Append(path).Select(Path.GetFileName))}."
            );
        if (!File.Exists(path))
            throw new DfpoException(
                "config/missing-file",
                includedBy.Count == 0
                    ? $"Experiment file '{path}' does not exist."
                    : $"'{path}' does not exist, but '{includedBy[^1]}' includes it: an include is relative to the including file."
            );
        var included = ConfigNode.Branch.Empty;
        var own = Parse(File.ReadAllText(path), path, name =>
            included = included.Under(Read(Path.GetFullPath(Path.Combine(Path.GetDirectoryName(path)!, name)), [.. includedBy, path]))
        );
        return included.Under(own);
    }

    private static ConfigNode.Branch Parse(string text, string source, Action<string> include)
    {
        if (text.Length > MostCharacters)
            throw Error(source, $"it has {text.Length} characters, more than {MostCharacters}");
        if (Imbalance(text) is { } problem)
            throw Error(source, problem);
        try
        {
            var root = Parser.Parse(text, name =>
            {
                include(name);
                return Parser.Parse("{}", _ => null!);
            });
            return root.Value.IsObject() ? Convert(root.Value.GetObject(), source) : ConfigNode.Branch.Empty;
        }
        catch (Exception e) when (e is not DfpoException)
        {
            throw new DfpoException("config/syntax", $"'{source}' is not valid HOCON: {e.Message}", e);
        }
    }

    private static ConfigNode.Branch Convert(HoconObject source, string file) =>
        new(
            source.Items.ToDictionary(
                item => item.Key,
                ConfigNode (item) =>
                    item.Value.IsObject() ? Convert(item.Value.GetObject(), file)
                    : item.Value.IsArray() ? new ConfigNode.Leaf([.. item.Value.GetArray().Select(value => value.GetString())], true, file)
                    : new ConfigNode.Leaf([item.Value.GetString() ?? ""], false, file)
            )
        );

    // Akka's parser never ends with a character in a list that no plain text may have.
    private static bool IsStrange(string text, int at) =>
        NotInPlainText.Contains(text[at]) && !(text[at] == '$' && at + 1 < text.Length && text[at + 1] == '{');

    // Akka's parser reads past a bracket or quote that is never closed.
    private static string? Imbalance(string text)
    {
        var open = new Stack<(char Bracket, int Line)>();
        var line = 1;
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (c == '\n')
                line++;
            else if (c == '#' || (c == '/' && i + 1 < text.Length && text[i + 1] == '/'))
                i = text.IndexOf('\n', i) is >= 0 and var end ? end - 1 : text.Length;
            else if (c == '"')
            {
                var triple = string.CompareOrdinal(text, i, "\"\"\"", 0, 3) == 0;
                var close = triple ? text.IndexOf("\"\"\"", i + 3, StringComparison.Ordinal) : ClosingQuote(text, i + 1);
                if (close < 0)
                    return $"line {line}: a quote is not closed";
                line += text[i..close].Count(x => x == '\n');
                i = triple ? close + 2 : close;
            }
            else if (c is '{' or '[')
            {
                open.Push((c, line));
                if (open.Count > MostDepth)
                    return $"line {line}: more than {MostDepth} brackets stand within each other";
            }
            else if (open.TryPeek(out var list) && list.Bracket == '[' && IsStrange(text, i))
                return $"line {line}: '{c}' cannot stand in a list unless the text is in quotes";
            else if (c is '}' or ']' && (!open.TryPop(out var last) || last.Bracket != (c == '}' ? '{' : '[')))
                return $"line {line}: '{c}' closes nothing";
        }
        return open.TryPop(out var left) ? $"line {left.Line}: '{left.Bracket}' is not closed" : null;
    }

    private static int ClosingQuote(string text, int from)
    {
        for (var i = from; i < text.Length && text[i] != '\n'; i++)
            if (text[i] == '\\')
                i++;
            else if (text[i] == '"')
                return i;
        return -1;
    }

    private static DfpoException Error(string source, string problem) => new("config/syntax", $"'{source}' is not valid HOCON: {problem}.");
}
