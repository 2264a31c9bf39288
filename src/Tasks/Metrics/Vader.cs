using System.Globalization;
using System.Text.RegularExpressions;
using DfPO.Models;

namespace DfPO.Tasks.Metrics;

/// <summary>Shares of negative, neutral and positive words (sum 1, three digits) and the compound score in [-1, 1] (four digits).</summary>
public readonly record struct VaderScores(double Negative, double Neutral, double Positive, double Compound);

/// <summary>
/// VADER (Hutto and Gilbert, 2014): sentiment by a lexicon and rules, as NLTK 3.8's <c>SentimentIntensityAnalyzer</c> computes it.
/// </summary>
public sealed class Vader
{
    private readonly Dictionary<string, double> _lexicon;

    private Vader(Dictionary<string, double> lexicon) => _lexicon = lexicon;

    /// <summary>Reads a lexicon: lines of word and mean valence, tab between them, further columns ignored.</summary>
    /// <param name="path"><c>vader_lexicon.txt</c> or a folder that holds it.</param>
    /// <exception cref="DfpoException"><c>lexicon/missing</c>, or <c>lexicon/malformed</c> with the line.</exception>
    public static Vader Load(string path)
    {
        var file = Directory.Exists(path) ? Path.Combine(path, "vader_lexicon.txt") : path;
        if (!File.Exists(file))
            throw new DfpoException(
                "lexicon/missing",
                $"VADER's lexicon '{file}' does not exist: name vader_lexicon.txt of vaderSentiment or of NLTK's data."
            );
        var lexicon = new Dictionary<string, double>();
        foreach (var (index, line) in File.ReadLines(file).Index())
        {
            if (line.Length == 0)
                continue;
            var fields = line.Split('\t');
            if (fields.Length < 2 || !double.TryParse(fields[1], NumberStyles.Float, CultureInfo.InvariantCulture, out var valence))
                throw new DfpoException("lexicon/malformed", $"'{file}', line {index + 1}: expected a word, a tab and a number.");
            lexicon[fields[0]] = valence;
        }
        return new Vader(lexicon);
    }

    /// <summary>Scores a text; all 0 when it has no word.</summary>
    public VaderScores Score(string text)
    {
        var words = VaderWords.Of(text);
        if (words.Length == 0)
            return default;
        var shouts = words.Count(VaderRules.IsUpper) is var upper && upper > 0 && upper < words.Length;
        var valences = new double[words.Length];
        for (var place = 0; place < words.Length; place++)
        {
            // NLTK looks a word's place up by its text, so a repeated word is judged where it first stood.
            var i = Array.IndexOf(words, words[place]);
            var word = words[i].ToLowerInvariant();
            var isKindOf = word == "kind" && i + 1 < words.Length && words[i + 1].Equals("of", StringComparison.OrdinalIgnoreCase);
            if (!isKindOf && !VaderRules.Boosters.ContainsKey(word) && _lexicon.TryGetValue(word, out var valence))
                valences[place] = Adjusted(valence, words, i, shouts);
        }
        WeighAroundBut(words, valences);
        return Sum(valences, PunctuationEmphasis(text));
    }

    private double Adjusted(double valence, string[] words, int i, bool shouts)
    {
        if (shouts && VaderRules.IsUpper(words[i]))
            valence += valence > 0 ? VaderRules.Capitals : -VaderRules.Capitals;
        for (var back = 1; back <= 3 && i >= back; back++)
        {
            if (Knows(words[i - back]))
                continue;
            var boost = VaderRules.Boost(words[i - back], valence, shouts);
            valence +=
                boost
                * (
                    back switch
                    {
                        1 => 1,
                        2 => 0.95,
                        _ => 0.9,
                    }
                );
            valence = VaderRules.Negate(valence, words, i, back);
            if (back == 3)
                valence = VaderRules.Idioms(valence, words, i);
        }
        var isLeast =
            i > 0
            && words[i - 1].Equals("least", StringComparison.OrdinalIgnoreCase)
            && !Knows(words[i - 1])
            && !(i > 1 && words[i - 2].ToLowerInvariant() is "at" or "very");
        return isLeast ? valence * VaderRules.Negation : valence;
    }

    private bool Knows(string word) => _lexicon.ContainsKey(word.ToLowerInvariant());

    private static void WeighAroundBut(string[] words, double[] valences)
    {
        var but = Array.FindIndex(words, word => word.Equals("but", StringComparison.OrdinalIgnoreCase));
        for (var i = 0; but >= 0 && i < valences.Length; i++)
            valences[i] *=
                i < but ? 0.5
                : i > but ? 1.5
                : 1;
    }

    private static double PunctuationEmphasis(string text)
    {
        var questions = text.Count(c => c == '?');
        return Math.Min(text.Count(c => c == '!'), 4) * 0.292
            + (
                questions <= 1 ? 0
                : questions <= 3 ? questions * 0.18
                : 0.96
            );
    }

    private static VaderScores Sum(double[] valences, double emphasis)
    {
        var sum = valences.Sum();
        sum += Math.Sign(sum) * emphasis;
        // One is added to each word's weight, so that it counts as much as a neutral word at least.
        double positive = valences.Where(v => v > 0).Sum(v => v + 1),
            negative = valences.Where(v => v < 0).Sum(v => 1 - v);
        if (positive > negative)
            positive += emphasis;
        else if (positive < negative)
            negative += emphasis;
        var neutral = valences.Count(v => v == 0);
        var total = positive + negative + neutral;
        return new VaderScores(
            Math.Round(negative / total, 3),
            Math.Round(neutral / total, 3),
            Math.Round(positive / total, 3),
            Math.Round(Math.Clamp(sum / Math.Sqrt(sum * sum + 15), -1, 1), 4)
        );
    }
}

/// <summary>How VADER parts a text: at white space, one punctuation mark taken off a word.</summary>
internal static partial class VaderWords
{
    private static readonly string[] s_marks =
    [
        ".",
        "!",
        "?",
        ",",
        ";",
        ":",
        "-",
        "'",
        "\"",
        "!!",
        "!!!",
        "??",
        "???",
        "?!?",
        "!?!",
        "?!?!",
        "!?!?",
    ];

    public static string[] Of(string text)
    {
        // A mark is taken off only where what is left is a word of the text without any punctuation: "don't," keeps its comma.
        var plain = Split(Punctuation().Replace(text, "")).Where(IsWord).ToHashSet();
        return
        [
            .. Split(text)
                .Where(IsWord)
                .Select(word =>
                    s_marks
                        .Select(mark => word.EndsWith(mark, StringComparison.Ordinal) ? word[..^mark.Length] : "")
                        .FirstOrDefault(plain.Contains)
                    ?? s_marks
                        .Select(mark => word.StartsWith(mark, StringComparison.Ordinal) ? word[mark.Length..] : "")
                        .FirstOrDefault(plain.Contains)
                    ?? word
                ),
        ];
    }

    private static string[] Split(string text) => text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);

    // One character is no word; a surrogate pair is one character.
    private static bool IsWord(string word) => word.Length > 1 && !(word.Length == 2 && char.IsSurrogatePair(word, 0));

    [GeneratedRegex(@"[!-/:-@\[-`{-~]")]
    private static partial Regex Punctuation();
}
