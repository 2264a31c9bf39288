using DfPO.Models.Layers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Learner.Passes;

/// <summary>
/// Products of vectors with the Fisher matrix of the policy at a batch's states: the Hessian of the mean <c>KL(pi || pi_theta)</c> at
/// <c>pi = pi_theta</c>, by double backward.
/// </summary>
/// <param name="policy">The policy.</param>
/// <param name="sequences">The batch.</param>
internal sealed class FisherProduct(PolicyPass policy, IReadOnlyList<Trajectory> sequences)
{
    private readonly Parameter[] _parameters = [.. policy.Model.TrainedParameters().Select(p => p.parameter)];
    private readonly long _tokens = sequences.Sum(s => (long)s.Tokens.Length);

    /// <summary><c>F v</c>, <c>[parameters]</c>; it belongs to the caller's dispose scope.</summary>
    public Tensor Times(Tensor vector)
    {
        var precision = policy.Model.Precision;
        precision.PlainAttention = true;
        try
        {
            return Product(vector);
        }
        finally
        {
            precision.PlainAttention = false;
        }
    }

    private Tensor Product(Tensor vector)
    {
        using var scope = NewDisposeScope();
        using var grad = enable_grad();
        var sum = zeros_like(vector);
        foreach (var piece in policy.Pieces(sequences))
        {
            using var inner = NewDisposeScope();
            var logprobs = LogDistributions(policy, piece);
            var fixedLogprobs = logprobs.detach();
            var kl = (fixedLogprobs.exp() * (fixedLogprobs - logprobs)).sum().Over(_tokens);
            // Both graphs must live on: TorchSharp frees the first one unless told otherwise, and the process would end.
            var first = autograd.grad([kl], _parameters, retain_graph: true, create_graph: true);
            var slope = (Flat(first) * vector).sum();
            sum.Increase(Flat(autograd.grad([slope], _parameters, retain_graph: true)).detach());
        }
        return sum.MoveToOuterDisposeScope();
    }

    /// <summary>
    /// <c>log pi_theta</c> of the whole vocabulary at every state of some sequences, <c>[tokens, vocabulary]</c>, float32.
    /// </summary>
    public static Tensor LogDistributions(PolicyPass policy, Trajectory[] piece)
    {
        using var scope = NewDisposeScope();
        var batch = TrajectoryBatch.Create(policy.Model, piece, policy.Device);
        var logits = policy.Model.Head(batch.SelectStates(policy.Model.Hidden(batch.Input)));
        return nn.functional.log_softmax(logits.to(ScalarType.Float32), 1).MoveToOuterDisposeScope();
    }

    /// <summary>Tensors end to end, <c>[elements]</c>.</summary>
    public static Tensor Flat(IEnumerable<Tensor> tensors) => cat([.. tensors.Select(t => t.reshape(-1))]);
}
