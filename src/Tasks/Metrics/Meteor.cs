namespace DfPO.Tasks.Metrics;

/// <summary>
/// METEOR (Banerjee and Lavie, 2005) as NLTK 3.8 computes it: words are matched exactly, by Porter stem, then by WordNet synonym.
/// </summary>
/// <param name="wordNet">Synonyms; null leaves the third stage out, which gives lower scores.</param>
/// <param name="alpha">Weight of precision in the harmonic mean's denominator.</param>
/// <param name="beta">Exponent of the fragmentation penalty.</param>
/// <param name="gamma">Largest fragmentation penalty.</param>
public sealed class Meteor(WordNet? wordNet, double alpha = 0.9, double beta = 3, double gamma = 0.5)
{
    /// <summary>Best score over the references, in [0, 1).</summary>
    /// <param name="hypothesis">Words, in any case.</param>
    /// <param name="references">At least one, each in words.</param>
    public double Score(string[] hypothesis, IEnumerable<string[]> references) => references.Max(reference => Score(hypothesis, reference));

    /// <summary>Score against one reference, in [0, 1); 0 when no word matches.</summary>
    public double Score(string[] hypothesis, string[] reference)
    {
        var matches = Align(hypothesis, reference);
        if (matches.Count == 0)
            return 0;
        matches.Sort();
        var chunks =
            1
            + matches
                .Zip(matches.Skip(1))
                .Count(pair => pair.Second.Hypothesis != pair.First.Hypothesis + 1 || pair.Second.Reference != pair.First.Reference + 1);
        double precision = matches.Count / (double)hypothesis.Length,
            recall = matches.Count / (double)reference.Length;
        var mean = precision * recall / (alpha * precision + (1 - alpha) * recall);
        return (1 - gamma * Math.Pow(chunks / (double)matches.Count, beta)) * mean;
    }

    /// <summary>
    /// What RL4LMs really compares with: the references as Python prints a list, because its wrapper hands a list to a field for one text.
    /// </summary>
    /// <remarks>Brackets and quotes enter the words, so scores are lower. For comparison with its published numbers only.</remarks>
    public static string PythonList(IEnumerable<string> references) => $"[{string.Join(", ", references.Select(PythonText))}]";

    private static string PythonText(string text)
    {
        var quote = text.Contains('\'') && !text.Contains('"') ? '"' : '\'';
        var body = text.Replace("\\", "\\\\").Replace("\n", "\\n").Replace("\r", "\\r").Replace("\t", "\\t");
        return quote + (quote == '\'' ? body.Replace("'", "\\'") : body) + quote;
    }

    private List<(int Hypothesis, int Reference)> Align(string[] hypothesis, string[] reference)
    {
        var matches = new List<(int, int)>();
        var left = new List<(int Index, string Word)>(hypothesis.Select((word, i) => (i, word.ToLowerInvariant())));
        var right = new List<(int Index, string Word)>(reference.Select((word, i) => (i, word.ToLowerInvariant())));
        Match(left, right, matches, (a, b) => a == b);
        // As in NLTK, the stems stay: synonyms are looked up for them and not for the words.
        left = [.. left.Select(word => (word.Index, PorterStemmer.Stem(word.Word)))];
        right = [.. right.Select(word => (word.Index, PorterStemmer.Stem(word.Word)))];
        Match(left, right, matches, (a, b) => a == b);
        if (wordNet is not null)
            Match(left, right, matches, (a, b) => a == b || wordNet.Synonyms(a).Contains(b));
        return matches;
    }

    // Greedy and from the end, as in NLTK: the order decides which of several equal words match, and so the chunks.
    private static void Match(
        List<(int Index, string Word)> left,
        List<(int Index, string Word)> right,
        List<(int, int)> matches,
        Func<string, string, bool> same
    )
    {
        for (var i = left.Count - 1; i >= 0; i--)
        {
            var j = right.FindLastIndex(word => same(left[i].Word, word.Word));
            if (j < 0)
                continue;
            matches.Add((left[i].Index, right[j].Index));
            left.RemoveAt(i);
            right.RemoveAt(j);
        }
    }
}
