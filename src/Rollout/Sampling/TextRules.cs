using DfPO.Models;

namespace DfPO.Rollout.Sampling;

/// <summary>
/// What the text so far forbids or makes less likely, in the order of HF's logits processors: repetition penalty, repeated n-grams, minimum
/// length.
/// </summary>
internal sealed class TextRules(GenerationOptions options, EndOfText endOfText)
{
    private readonly bool _looksBack = options.RepetitionPenalty != 1 || options.NoRepeatNgramSize > 0;

    /// <summary>Whether anything applies to the token after so many of the continuation.</summary>
    public bool IsActive(int step) => _looksBack || (!endOfText.IsNever && step < options.MinNewTokens);

    /// <summary>Applies the rules to a row, in place.</summary>
    /// <param name="logits">Logits, or log-probabilities in a beam search.</param>
    /// <param name="text">What the continuation continues, and the continuation so far.</param>
    /// <param name="step">Tokens that the continuation has.</param>
    public void Apply(Span<float> logits, ReadOnlySpan<int> text, int step)
    {
        if (options.RepetitionPenalty != 1)
            LogitFilters.RepetitionPenalty(logits, text, options.RepetitionPenalty);
        if (options.NoRepeatNgramSize > 0)
            LogitFilters.NoRepeatNgram(logits, text, options.NoRepeatNgramSize);
        if (step < options.MinNewTokens)
            foreach (var end in endOfText.Ids)
                LogitFilters.Forbid(logits, end);
    }
}
