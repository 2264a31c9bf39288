namespace DfPO.Learner.Passes;

/// <summary>
/// What policy and reference say of prompts with other prompts' continuations, without a gradient: KTO's estimate of the KL.
/// </summary>
/// <param name="policy">Passes of the policy.</param>
/// <param name="reference">Passes of <c>pi_0</c>.</param>
internal sealed class MismatchedPass(PolicyPass policy, PolicyPass reference)
{
    /// <summary>
    /// <c>log pi_theta(y'|x) - log pi_0(y'|x)</c> of each sequence's prompt with another one's continuation, nats; one a sequence.
    /// </summary>
    public double[] LogRatios(IReadOnlyList<Trajectory> minibatch)
    {
        var mismatched = Mismatched(minibatch, policy.Model.MaxPositions);
        float[][] Scores(PolicyPass pass) => pass.Estimate(mismatched, mismatched.Length, CancellationToken.None).Logprobs;
        return [.. Scores(policy).Zip(Scores(reference), (ours, theirs) => ours.Zip(theirs, (a, b) => (double)a - b).Sum())];
    }

    /// <summary>
    /// Each prompt with the continuation of the next sequence of another prompt, in a circle; the next one's where there is no other
    /// prompt. What does not fit is cut off.
    /// </summary>
    internal static Trajectory[] Mismatched(IReadOnlyList<Trajectory> minibatch, int maxPositions) =>
        [
            .. minibatch.Select(
                (t, i) =>
                {
                    var others = Enumerable.Range(1, minibatch.Count).Select(step => minibatch[(i + step) % minibatch.Count]).ToArray();
                    var other = others.FirstOrDefault(o => !o.PromptTokens.AsSpan().SequenceEqual(t.PromptTokens)) ?? others[0];
                    return t with { Tokens = other.Tokens[..Math.Min(other.Tokens.Length, maxPositions - t.PromptTokens.Length)] };
                }
            ),
        ];
}
