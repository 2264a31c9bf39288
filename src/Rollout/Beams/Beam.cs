namespace DfPO.Rollout.Beams;

/// <summary>A continuation in the course of a beam search.</summary>
/// <param name="Row">The row of the batch that holds what it continues.</param>
/// <param name="Tokens">Its tokens.</param>
/// <param name="Logprobs">Their log-probabilities under the full softmax.</param>
/// <param name="Sum">Sum of log-probabilities after penalties.</param>
internal sealed record Beam(int Row, int[] Tokens, float[] Logprobs, float Sum)
{
    /// <summary>One token longer.</summary>
    public Beam Extend(int token, float logprob, float sum) => new(Row, [.. Tokens, token], [.. Logprobs, logprob], sum);
}
