using DfPO.Learner.Objectives;
using DfPO.Models;
using static TorchSharp.torch;

namespace DfPO.Learner.Passes;

/// <summary>
/// What policy and reference say of prompts with other prompts' continuations, without a gradient: KTO's estimate of the KL.
/// </summary>
/// <param name="policy">The policy.</param>
/// <param name="reference"><c>pi_0</c>.</param>
internal sealed class MismatchedPass(PolicyPass policy, LanguageModel reference)
{
    /// <summary>
    /// <c>log pi_theta(y'|x) - log pi_0(y'|x)</c> of each sequence's prompt with another one's continuation, nats; one a sequence.
    /// </summary>
    public double[] LogRatios(IReadOnlyList<Trajectory> minibatch)
    {
        using var _ = no_grad();
        var ratios = new List<double>();
        foreach (var piece in policy.Pieces(Mismatched(minibatch, policy.Model.MaxPositions)))
        {
            using var scope = NewDisposeScope();
            var batch = TrajectoryBatch.Create(policy.Model, piece, policy.Device);
            double[] Scores(LanguageModel model) => TokenLogprobs.Forward(model, batch, withEntropy: false).Values.ToDoubles();
            double[] perToken = [.. Scores(policy.Model).Zip(Scores(reference), (ours, theirs) => ours - theirs)];
            var start = 0;
            foreach (var length in piece.Select(t => t.Tokens.Length))
            {
                ratios.Add(perToken[start..(start + length)].Sum());
                start += length;
            }
        }
        return [.. ratios];
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
