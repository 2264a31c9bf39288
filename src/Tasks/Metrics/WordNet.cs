using System.Collections.Concurrent;
using System.Globalization;
using DfPO.Models;
using DfPO.Tasks.Tables;

namespace DfPO.Tasks.Metrics;

/// <summary>
/// Synonyms of English words from WordNet's database files (index.*, data.*, *.exc), with its own rules for inflected forms (Morphy).
/// Thread-safe.
/// </summary>
public sealed class WordNet
{
    private static readonly PartOfSpeech[] s_parts =
    [
        new(
            "noun",
            [
                ("s", ""),
                ("ses", "s"),
                ("ves", "f"),
                ("xes", "x"),
                ("zes", "z"),
                ("ches", "ch"),
                ("shes", "sh"),
                ("men", "man"),
                ("ies", "y"),
            ]
        ),
        new("verb", [("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", "")]),
        new("adj", [("er", ""), ("est", ""), ("er", "e"), ("est", "e")]),
        new("adv", []),
    ];

    private readonly Dictionary<string, Dictionary<string, long[]>> _index = [];
    private readonly Dictionary<string, Dictionary<string, string[]>> _exceptions = [];
    private readonly Dictionary<string, Dictionary<long, string[]>> _lemmas = [];
    private readonly ConcurrentDictionary<string, IReadOnlySet<string>> _synonyms = [];

    private WordNet() { }

    /// <summary>Reads WordNet from a folder with its files, or from a .tar.gz, .tgz, .tar.xz or .tar archive of one.</summary>
    /// <exception cref="DfpoException"><c>wordnet/missing</c>: no such folder or archive, or files are missing in it;
    /// <c>wordnet/malformed</c>: a file is not of WordNet's form.</exception>
    public static WordNet Load(string path)
    {
        var wanted = s_parts.SelectMany(part => new[] { $"index.{part.Name}", $"data.{part.Name}", $"{part.Name}.exc" }).ToHashSet();
        var wordNet = new WordNet();
        foreach (var (name, open) in Files(path))
        {
            if (!wanted.Remove(name))
                continue;
            using var reader = new StreamReader(open());
            try
            {
                wordNet.Read(name, reader);
            }
            catch (Exception e) when (e is FormatException or IndexOutOfRangeException or OverflowException)
            {
                throw new DfpoException("wordnet/malformed", $"'{name}' in '{path}' is not a file of WordNet's database: {e.Message}", e);
            }
        }
        return wanted.Count == 0
            ? wordNet
            : throw new DfpoException(
                "wordnet/missing",
                $"'{path}' lacks {string.Join(", ", wanted.Order(StringComparer.Ordinal))}: name the folder 'dict' of WordNet 3.0, or an archive of it."
            );
    }

    /// <summary>The word itself and every single-word lemma of every sense of it or of its base forms.</summary>
    /// <param name="word">In lower case.</param>
    public IReadOnlySet<string> Synonyms(string word) => _synonyms.GetOrAdd(word, Find);

    /// <summary>
    /// The forms under which WordNet lists a word, whatever part of speech: <c>ran</c> gives <c>run</c>; none for an unknown word.
    /// </summary>
    /// <param name="word">In lower case.</param>
    public IEnumerable<string> BaseForms(string word) => s_parts.SelectMany(part => BaseForms(word, part)).Distinct();

    private HashSet<string> Find(string word) =>
        [
            word,
            .. from part in s_parts
            from form in BaseForms(word, part)
            from sense in _index[part.Name].GetValueOrDefault(form, [])
            from lemma in _lemmas[part.Name].GetValueOrDefault(sense, [])
            where !lemma.Contains('_')
            select lemma,
        ];

    private IEnumerable<string> BaseForms(string word, PartOfSpeech part)
    {
        var index = _index[part.Name];
        if (_exceptions[part.Name].TryGetValue(word, out var exceptions))
            return new[] { word }.Concat(exceptions).Where(index.ContainsKey).Distinct();
        string[] forms = [.. part.Shorten([word])];
        string[] known = [.. new[] { word }.Concat(forms).Where(index.ContainsKey).Distinct()];
        // Endings are taken off again only while nothing is found.
        while (known.Length == 0 && forms.Length > 0)
        {
            forms = [.. part.Shorten(forms)];
            known = [.. forms.Where(index.ContainsKey).Distinct()];
        }
        return known;
    }

    private void Read(string name, StreamReader reader)
    {
        var part = s_parts.First(part => name.Contains(part.Name)).Name;
        // Lines that begin with spaces are the licence.
        var lines = Lines(reader)
            .Where(line => line.Length > 0 && line[0] != ' ')
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        if (name.EndsWith(".exc", StringComparison.Ordinal))
            _exceptions[part] = lines.GroupBy(fields => fields[0]).ToDictionary(group => group.Key, group => group.Last()[1..]);
        else if (name.StartsWith("index", StringComparison.Ordinal))
            _index[part] = lines.ToDictionary(
                fields => fields[0],
                fields =>
                    fields[^int.Parse(fields[2], CultureInfo.InvariantCulture)..]
                        .Select(offset => long.Parse(offset, CultureInfo.InvariantCulture))
                        .ToArray()
            );
        else
            _lemmas[part] = lines.ToDictionary(fields => long.Parse(fields[0], CultureInfo.InvariantCulture), Lemmas);
    }

    private static string[] Lemmas(string[] fields)
    {
        var lemmas = new string[int.Parse(fields[3], NumberStyles.HexNumber, CultureInfo.InvariantCulture)];
        for (var i = 0; i < lemmas.Length; i++)
        {
            var lemma = fields[4 + 2 * i];
            // Adjectives carry where they may stand: galore(ip).
            var mark = lemma.IndexOf('(');
            lemmas[i] = mark < 0 ? lemma : lemma[..mark];
        }
        return lemmas;
    }

    private static IEnumerable<string> Lines(StreamReader reader)
    {
        while (reader.ReadLine() is { } line)
            yield return line;
    }

    private static IEnumerable<(string Name, Func<Stream> Open)> Files(string path)
    {
        if (Directory.Exists(path))
            return Directory.GetFiles(path).Select(file => (Path.GetFileName(file), (Func<Stream>)(() => File.OpenRead(file))));
        return File.Exists(path)
            ? TarArchive.Read(path).Select(entry => (Path.GetFileName(entry.Name), (Func<Stream>)(() => entry.Content)))
            : throw new DfpoException(
                "wordnet/missing",
                $"WordNet '{path}' does not exist: name the folder 'dict' of WordNet 3.0, or an archive of it."
            );
    }

    private sealed record PartOfSpeech(string Name, (string Suffix, string Replacement)[] Endings)
    {
        public IEnumerable<string> Shorten(IEnumerable<string> forms) =>
            from form in forms
            from ending in Endings
            where form.EndsWith(ending.Suffix, StringComparison.Ordinal)
            select form[..^ending.Suffix.Length] + ending.Replacement;
    }
}
