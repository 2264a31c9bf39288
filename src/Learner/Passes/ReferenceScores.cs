using DfPO.Learner.Objectives;
using DfPO.Models.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Passes;

/// <summary>A reference model beside the policy, at the tokens of one pass, without a gradient.</summary>
/// <param name="Rows"><c>[3, tokens]</c>, nats: <c>log pi_0(a|s)</c>, of the same kernels and shapes as the policy's, so that equal weights
/// give equal numbers; <c>KL(pi_theta || pi_0)</c> at the state; the log-ratio's standard deviation there.</param>
internal sealed record ReferenceScores(Tensor Rows)
{
    /// <summary>Room for some tokens.</summary>
    public static ReferenceScores Of(long tokens, ScalarType dtype, Device device) => new(empty([3, tokens], dtype, device));

    /// <summary>Passes one after the other.</summary>
    public static ReferenceScores Join(IEnumerable<ReferenceScores> parts) => new(cat([.. parts.Select(part => part.Rows)], 1));

    /// <summary>Takes a slice's distributions in.</summary>
    /// <param name="policy">Log-probabilities of the policy, <c>[slice, vocabulary]</c>.</param>
    /// <param name="reference">Logits of the reference.</param>
    /// <param name="tokens">The drawn tokens, <c>[slice]</c>.</param>
    /// <param name="start">Index of the slice's first token.</param>
    public void Put(Tensor policy, Tensor reference, Tensor tokens, long start)
    {
        using var scope = NewDisposeScope();
        var theirs = reference - reference.logsumexp(1, keepdim: true);
        var (probabilities, ratios) = (policy.exp(), policy - theirs);
        var kl = (probabilities * ratios).sum(1, keepdim: true);
        var deviation = (probabilities * (ratios - kl).Squared()).sum(1).sqrt();
        Put(start, theirs.gather(1, tokens.unsqueeze(1)).squeeze(1), kl.squeeze(1), deviation);
    }

    /// <summary>Takes a part's scores in.</summary>
    public void Put(ReferenceScores part, long start) => Rows.narrow(1, start, part.Rows.size(1)).copy_(part.Rows);

    /// <summary>The minibatch with these scores in place of the rollout's.</summary>
    public TokenBatch Beside(TokenBatch tokens)
    {
        using var scope = NewDisposeScope();
        return tokens with
        {
            ReferenceLogprobs = Rows[0].ToDoubles(),
            CurrentKl = Rows[1].ToDoubles(),
            CurrentDeviation = Rows[2].ToDoubles(),
        };
    }

    private void Put(long start, params Tensor[] rows)
    {
        for (var row = 0; row < rows.Length; row++)
            Rows[row].narrow(0, start, rows[row].size(0)).copy_(rows[row]);
    }
}
