using DfPO.Models;
using DfPO.Tasks.Prompts;

namespace DfPO.Tasks.Rewards;

/// <summary>How far a continuation has the form that is asked for: a reward that can be computed, for chat policies above all.</summary>
/// <remarks>
/// Length counts as 1 between the bounds, below them as the share of the words that are there, above them as what is left of as many again.
/// The other parts are 1 or 0, but for forbidden phrases, each of which halves. The score is the mean of the parts that are asked for. An
/// empty continuation has 0.
/// </remarks>
public sealed class FormRule
{
    private static readonly char[] s_ends = ['.', '!', '?', '\u2026', '\u3002'];
    private static readonly char[] s_closing = ['"', '\'', ')', ']', '\u201d', '\u2019'];
    private readonly FormOptions _options;
    private readonly string[][] _forbidden;

    /// <exception cref="DfpoException"><c>reward/spec</c>: bounds that cannot both hold, or a phrase without a word.</exception>
    public FormRule(FormOptions options)
    {
        if (options.MostWords < options.LeastWords)
            throw new DfpoException(
                "reward/spec",
                $"Reward: form.most-words is {options.MostWords} but form.least-words is {options.LeastWords}: the first must be at least the second."
            );
        _options = options;
        _forbidden = [.. options.Forbidden.Select(phrase => Words(phrase))];
        if (Array.FindIndex(_forbidden, phrase => phrase.Length == 0) is >= 0 and var empty)
            throw new DfpoException("reward/spec", $"Reward: form.forbidden holds '{options.Forbidden[empty]}', which has no word.");
    }

    /// <summary>The score of a text's continuation, 0 to 1.</summary>
    public double Score(PromptContinuation text)
    {
        var continuation = text.Continuation.Trim();
        var words = Words(continuation);
        if (words.Length == 0)
            return 0;
        List<double> parts = [Length(words.Length)];
        if (_options.WholeSentence)
            parts.Add(s_ends.Contains(continuation.TrimEnd(s_closing).LastOrDefault()) ? 1 : 0);
        if (_options.RunningText)
            parts.Add(continuation.Split('\n').Any(IsMarked) ? 0 : 1);
        if (_forbidden.Length > 0)
            parts.Add(Math.Pow(0.5, _forbidden.Count(phrase => Holds(words, phrase))));
        return parts.Average();
    }

    private double Length(int words) =>
        words < _options.LeastWords ? words / (double)_options.LeastWords
        : words <= _options.MostWords ? 1
        : Math.Max(0, 2 - (words / (double)_options.MostWords));

    /// <summary>Lower-case words without the signs around them; an apostrophe inside stays, in one form.</summary>
    private static string[] Words(string text) =>
        [
            .. text.ToLowerInvariant()
                .Replace('\u2019', '\'')
                .Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)
                .Select(word => word.Trim([.. s_ends, .. s_closing, ',', ';', ':', '(', '[', '*', '_', '-', '\u201c']))
                .Where(word => word.Length > 0),
        ];

    private static bool Holds(string[] words, string[] phrase) =>
        Enumerable.Range(0, Math.Max(0, words.Length - phrase.Length + 1)).Any(at => words.AsSpan(at, phrase.Length).SequenceEqual(phrase));

    /// <summary>Whether a line is of a list, a heading, a table or code.</summary>
    private static bool IsMarked(string line)
    {
        var text = line.TrimStart();
        var digits = text.TakeWhile(char.IsAsciiDigit).Count();
        return text is ['-' or '*' or '+' or '\u2022', ' ', ..]
            || text is ['#' or '|' or '>', ..]
            || text.StartsWith("```", StringComparison.Ordinal)
            || (digits > 0 && text.Length > digits + 1 && text[digits] is '.' or ')' && text[digits + 1] == ' ');
    }
}
