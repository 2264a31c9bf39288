using System.Text.RegularExpressions;

namespace DfPO.Tasks.Metrics;

/// <summary>Precision, recall and their harmonic mean, each in [0, 1].</summary>
public readonly record struct RougeScore(double Precision, double Recall)
{
    /// <summary>F1; 0 when both are 0.</summary>
    public double F => Precision + Recall > 0 ? 2 * Precision * Recall / (Precision + Recall) : 0;

    internal static RougeScore Of(int hits, int predicted, int wanted) =>
        new(predicted == 0 ? 0 : hits / (double)predicted, wanted == 0 ? 0 : hits / (double)wanted);
}

/// <summary>
/// ROUGE (Lin, 2004) as Google's <c>rouge_score</c> computes it, which RL4LMs uses: lower case, runs of ASCII letters and digits, stems of
/// words over three letters.
/// </summary>
/// <param name="stem">Whether words are compared by their Porter stems.</param>
public sealed partial class Rouge(bool stem = true)
{
    /// <summary>The words that are compared.</summary>
    public string[] Words(string text) =>
        [
            .. NotWord()
                .Split(text.ToLowerInvariant())
                .Where(word => word.Length > 0)
                .Select(word => stem && word.Length > 3 ? PorterStemmer.Stem(word) : word),
        ];

    /// <summary>ROUGE-N: n-grams in common.</summary>
    public RougeScore N(string prediction, string reference, int n)
    {
        Dictionary<string, int> predicted = Ngrams.Count(Words(prediction), n),
            wanted = Ngrams.Count(Words(reference), n);
        return RougeScore.Of(
            predicted.Sum(gram => Math.Min(gram.Value, wanted.GetValueOrDefault(gram.Key))),
            predicted.Values.Sum(),
            wanted.Values.Sum()
        );
    }

    /// <summary>ROUGE-L: the longest common subsequence of the whole texts.</summary>
    public RougeScore L(string prediction, string reference)
    {
        string[] predicted = Words(prediction),
            wanted = Words(reference);
        return RougeScore.Of(LongestCommonSubsequence(wanted, predicted).Count, predicted.Length, wanted.Length);
    }

    /// <summary>
    /// ROUGE-Lsum: lines are sentences; for each of the reference the union of its longest common subsequences with those of the
    /// prediction.
    /// </summary>
    public RougeScore LSum(string prediction, string reference)
    {
        string[][] predicted = Sentences(prediction),
            wanted = Sentences(reference);
        Dictionary<string, int> predictedLeft = Ngrams.Count(predicted, 1),
            wantedLeft = Ngrams.Count(wanted, 1);
        var hits = 0;
        foreach (var sentence in wanted)
            foreach (var index in predicted.SelectMany(other => LongestCommonSubsequence(sentence, other)).Distinct().Order())
            {
                var word = sentence[index];
                if (predictedLeft.GetValueOrDefault(word) == 0 || wantedLeft[word] == 0)
                    continue;
                hits++;
                predictedLeft[word]--;
                wantedLeft[word]--;
            }
        return RougeScore.Of(hits, predicted.Sum(s => s.Length), wanted.Sum(s => s.Length));
    }

    private string[][] Sentences(string text) => [.. text.Split('\n').Select(Words).Where(words => words.Length > 0)];

    /// <summary>
    /// Indices into <paramref name="wanted"/> of one longest common subsequence, the one that Google's back-tracking finds.
    /// </summary>
    internal static List<int> LongestCommonSubsequence(string[] wanted, string[] predicted)
    {
        var length = new int[wanted.Length + 1, predicted.Length + 1];
        for (var i = 1; i <= wanted.Length; i++)
            for (var j = 1; j <= predicted.Length; j++)
                length[i, j] = wanted[i - 1] == predicted[j - 1] ? length[i - 1, j - 1] + 1 : Math.Max(length[i - 1, j], length[i, j - 1]);
        var indices = new List<int>();
        for (int i = wanted.Length, j = predicted.Length; i > 0 && j > 0;)
        {
            if (wanted[i - 1] == predicted[j - 1])
            {
                indices.Add(i - 1);
                (i, j) = (i - 1, j - 1);
            }
            else if (length[i, j - 1] > length[i - 1, j])
                j--;
            else
                i--;
        }
        return indices;
    }

    [GeneratedRegex("[^a-z0-9]+")]
    private static partial Regex NotWord();
}
