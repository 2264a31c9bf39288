using System.Numerics.Tensors;
using DfPO.Models;

namespace DfPO.Tasks.Metrics;

/// <summary>The hidden states of a text's tokens in one layer of an encoder.</summary>
/// <param name="Values">Row by row, tokens x width.</param>
/// <param name="Width">Values of a token.</param>
/// <param name="IsSpecial">For each token whether it is one that the tokenizer added, such as <c>[CLS]</c>: it can be matched, but does not
/// count itself.</param>
public sealed record TokenStates(float[] Values, int Width, bool[] IsSpecial);

/// <summary>
/// BERTScore (Zhang et al., 2020) from an encoder's states: greedy matching by cosine, no idf, no rescaling. RL4LMs takes layer 17 of
/// roberta-large and the best reference.
/// </summary>
/// <remarks>
/// The formula is tested by hand-made vectors; there was no output of the original program to compare with. <see cref="BertScoreEncoder"/>
/// gives the states.
/// </remarks>
public static class BertScore
{
    /// <summary>Precision, recall and F of one pair, each in [-1, 1]; all 0 when a text has no token of its own.</summary>
    /// <exception cref="DfpoException"><c>metrics/shape</c>: the states are not tokens x width, or of different widths.</exception>
    public static (double Precision, double Recall, double F) Of(TokenStates hypothesis, TokenStates reference)
    {
        float[][] h = Normalised(hypothesis),
            r = Normalised(reference);
        if (hypothesis.Width != reference.Width)
            throw new DfpoException(
                "metrics/shape",
                $"BERTScore compares states of one encoder: widths {hypothesis.Width} and {reference.Width} differ."
            );
        if (hypothesis.IsSpecial.All(special => special) || reference.IsSpecial.All(special => special))
            return default;
        double precision = MeanOfBest(h, hypothesis.IsSpecial, r),
            recall = MeanOfBest(r, reference.IsSpecial, h);
        return (precision, recall, precision + recall == 0 ? 0 : 2 * precision * recall / (precision + recall));
    }

    private static double MeanOfBest(float[][] tokens, bool[] isSpecial, float[][] others) =>
        tokens
            .Where((_, index) => !isSpecial[index])
            .Average(token => (double)others.Max(other => TensorPrimitives.Dot<float>(token, other)));

    private static float[][] Normalised(TokenStates states)
    {
        if (states.Width < 1 || states.Values.Length != states.Width * states.IsSpecial.Length)
            throw new DfpoException(
                "metrics/shape",
                $"{states.Values.Length} values are not {states.IsSpecial.Length} tokens x {states.Width}."
            );
        return
        [
            .. states
                .Values.Chunk(states.Width)
                .Select(token =>
                {
                    var norm = TensorPrimitives.Norm<float>(token);
                    return norm > 0 ? Array.ConvertAll(token, value => value / norm) : token;
                }),
        ];
    }
}
