namespace DfPO.Tasks.Metrics;

/// <summary>A window of a long text: a model reads tokens [Begin, End) and is judged on the last Targets of them.</summary>
public readonly record struct PerplexityWindow(int Begin, int End, int Targets);

/// <summary>
/// Perplexity of a text longer than the model's positions by overlapping windows, as RL4LMs (after Hugging Face's guide) computes it for
/// the references under the policy.
/// </summary>
public static class SlidingPerplexity
{
    /// <summary>What RL4LMs joins the references with before it tokenises them as one text.</summary>
    public const string Separator = "\n\n";

    /// <summary>The windows of a text: they start every <paramref name="stride"/> tokens and see as much before as fits.</summary>
    /// <param name="tokens">Tokens of the text, at least 0.</param>
    /// <param name="maxLength">Positions of the model.</param>
    /// <param name="stride">Tokens between two windows, at least 1 and at most <paramref name="maxLength"/>.</param>
    public static IEnumerable<PerplexityWindow> Windows(int tokens, int maxLength, int stride = 512)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(stride, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(stride, maxLength);
        for (var start = 0; start < tokens; start += stride)
        {
            var end = Math.Min(start + stride, tokens);
            yield return new PerplexityWindow(Math.Max(start + stride - maxLength, 0), end, end - start);
        }
    }

    /// <summary>Perplexity of a text.</summary>
    /// <remarks>
    /// As in the original, a window's mean is multiplied by all its targets, although the text's first token is predicted from nothing and
    /// so is not part of the first window's mean.
    /// </remarks>
    /// <param name="tokens">The text, at least two tokens.</param>
    /// <param name="maxLength">Positions of the model.</param>
    /// <param name="meanNegativeLogLikelihood">Of the window's tokens: mean in nats of those of the last n tokens that have a token before
    /// them in the window.</param>
    /// <param name="stride">Tokens between two windows.</param>
    public static double Of(
        ReadOnlyMemory<int> tokens,
        int maxLength,
        Func<ReadOnlyMemory<int>, int, double> meanNegativeLogLikelihood,
        int stride = 512
    )
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(tokens.Length, 2);
        var total = Windows(tokens.Length, maxLength, stride)
            .Sum(window => window.Targets * meanNegativeLogLikelihood(tokens[window.Begin..window.End], window.Targets));
        return Math.Exp(total / tokens.Length);
    }
}
