using System.Text.RegularExpressions;

namespace DfPO.Tasks.Metrics;

/// <summary>
/// BLEU as SacreBLEU 2.2 (Post, 2018) computes it by default, 0 to 100: exponential smoothing, nearest reference length, its own
/// tokenizers.
/// </summary>
/// <param name="tokenizer">How texts become words.</param>
/// <param name="lowercase">Whether case is ignored.</param>
public sealed partial class SacreBleu(SacreBleu.Tokenizer tokenizer = SacreBleu.Tokenizer.Mteval13a, bool lowercase = false)
{
    /// <summary>SacreBLEU's tokenizers.</summary>
    public enum Tokenizer
    {
        /// <summary><c>13a</c>, that of mteval-v13a and of WMT; the default.</summary>
        Mteval13a,

        /// <summary><c>intl</c>, that of mteval-v14: every Unicode punctuation mark and symbol stands apart.</summary>
        International,

        /// <summary>White space only.</summary>
        None,
    }

    /// <summary>Counts of one item.</summary>
    public BleuCounts Count(string hypothesis, IEnumerable<string> references) =>
        BleuCounts.Of(Words(hypothesis), [.. references.Select(Words)]);

    /// <summary>Score of a corpus.</summary>
    public static double Corpus(BleuCounts counts) => Score(counts, counts.Matches.Length);

    /// <summary>Score of one sentence: orders that it is too short for are left out ("effective order").</summary>
    public static double Sentence(BleuCounts counts) => Score(counts, counts.Totals.Count(total => total > 0));

    private static double Score(BleuCounts counts, int order)
    {
        if (counts.Matches.All(match => match == 0))
            return 0;
        var (logs, smooth) = (0.0, 1.0);
        for (var n = 0; n < order; n++)
        {
            // A corpus too short for an order has no precision there; SacreBLEU's logarithm of 0 is so low that the score is 0.
            if (counts.Totals[n] == 0)
                return 0;
            logs += Math.Log(
                counts.Matches[n] > 0 ? 100.0 * counts.Matches[n] / counts.Totals[n] : 100.0 / ((smooth *= 2) * counts.Totals[n])
            );
        }
        return counts.BrevityPenalty * Math.Exp(logs / order);
    }

    internal string[] Words(string text)
    {
        text = (lowercase ? text.ToLowerInvariant() : text).TrimEnd();
        return (
            tokenizer switch
            {
                Tokenizer.Mteval13a => Mteval(text),
                Tokenizer.International => Intl(text),
                _ => text,
            }
        ).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
    }

    private static string Mteval(string text)
    {
        text = text.Replace("<skipped>", "")
            .Replace("-\n", "")
            .Replace("\n", " ")
            .Replace("&quot;", "\"")
            .Replace("&amp;", "&")
            .Replace("&lt;", "<")
            .Replace("&gt;", ">");
        text = Symbol().Replace($" {text} ", " $1 ");
        text = MarkAfterNonDigit().Replace(text, "$1 $2 ");
        text = MarkBeforeNonDigit().Replace(text, " $1 $2");
        return DashAfterDigit().Replace(text, "$1 $2 ");
    }

    private static string Intl(string text)
    {
        text = PunctuationAfterNonNumber().Replace(text, "$1 $2 ");
        text = PunctuationBeforeNonNumber().Replace(text, " $1 $2");
        return AnySymbol().Replace(text, " $0 ");
    }

    [GeneratedRegex(@"([\{-\~\[-\` -\&\(-\+\:-\@\/])")]
    private static partial Regex Symbol();

    [GeneratedRegex(@"([^0-9])([\.,])")]
    private static partial Regex MarkAfterNonDigit();

    [GeneratedRegex(@"([\.,])([^0-9])")]
    private static partial Regex MarkBeforeNonDigit();

    [GeneratedRegex(@"([0-9])(-)")]
    private static partial Regex DashAfterDigit();

    [GeneratedRegex(@"(\P{N})(\p{P})")]
    private static partial Regex PunctuationAfterNonNumber();

    [GeneratedRegex(@"(\p{P})(\P{N})")]
    private static partial Regex PunctuationBeforeNonNumber();

    [GeneratedRegex(@"\p{S}")]
    private static partial Regex AnySymbol();
}
