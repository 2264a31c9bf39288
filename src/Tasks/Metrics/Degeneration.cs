using DfPO.Models;

namespace DfPO.Tasks.Metrics;

/// <summary>Signs that a policy has collapsed: its texts repeat themselves or each other.</summary>
public static class Degeneration
{
    // NLTK's SmoothingFunction.method1.
    private const double Epsilon = 0.1;

    /// <summary>
    /// Share of a text's n-grams that repeat an earlier one (seq-rep-n of Welleck et al., 2020), in [0, 1); 0 for texts shorter than n.
    /// </summary>
    public static double RepetitionRate(string[] words, int n = 4)
    {
        var total = words.Length - n + 1;
        return total <= 0 ? 0 : 1 - Ngrams.Of(words, n).Distinct().Count() / (double)total;
    }

    /// <summary>Mean BLEU of each text against all others (Zhu et al., 2018), in [0, 1]; low is varied.</summary>
    /// <remarks>
    /// Order 4, uniform weights, nearest length, a count of 0.1 where nothing matches (NLTK's <c>sentence_bleu</c> with <c>method1</c>).
    /// Linear in the number of texts.
    /// </remarks>
    /// <param name="texts">The words of each text; at least two texts.</param>
    /// <exception cref="DfpoException"><c>metrics/empty</c>: fewer than two texts.</exception>
    public static double SelfBleu(IReadOnlyList<string[]> texts)
    {
        if (texts.Count < 2)
            throw new DfpoException("metrics/empty", $"Self-BLEU compares texts with each other: {texts.Count} is not enough.");
        HighestCounts[] highest = [.. Enumerable.Range(1, 4).Select(n => new HighestCounts(texts, n))];
        var lengths = texts.Select(words => words.Length).Order().ToArray();
        return texts.Select((words, index) => Sentence(words, index, highest, OthersLength(lengths, words.Length))).Average();
    }

    private static double Sentence(string[] words, int index, HighestCounts[] highest, int referenceLength)
    {
        var logs = 0.0;
        for (var n = 1; n <= highest.Length; n++)
        {
            var matches = Ngrams.Count(words, n).Sum(gram => Math.Min(gram.Value, highest[n - 1].WithoutText(gram.Key, index)));
            if (n == 1 && matches == 0)
                return 0;
            logs += Math.Log((matches > 0 ? matches : Epsilon) / Math.Max(1, words.Length - n + 1));
        }
        return Math.Min(1, Math.Exp(1 - referenceLength / (double)words.Length)) * Math.Exp(logs / highest.Length);
    }

    // Another text of equal length is nearest; else a neighbour in the sorted lengths.
    private static int OthersLength(int[] sorted, int length)
    {
        var own = Array.BinarySearch(sorted, length);
        int[] neighbours = [.. new[] { own - 1, own + 1 }.Where(i => i >= 0 && i < sorted.Length).Select(i => sorted[i])];
        return BleuCounts.ClosestTo(length, neighbours);
    }

    /// <summary>For each n-gram its two highest counts in a text, so that one text can be left out.</summary>
    private sealed class HighestCounts
    {
        private readonly Dictionary<string, (int Text, int First, int Second)> _counts = [];

        public HighestCounts(IReadOnlyList<string[]> texts, int n)
        {
            foreach (var (index, words) in texts.Index())
                foreach (var (gram, count) in Ngrams.Count(words, n))
                {
                    (int Text, int First, int Second) known = _counts.GetValueOrDefault(gram, (-1, 0, 0));
                    _counts[gram] =
                        count > known.First ? (index, count, known.First) : known with { Second = Math.Max(known.Second, count) };
                }
        }

        public int WithoutText(string gram, int text) => _counts[gram] is var known && known.Text == text ? known.Second : known.First;
    }
}
