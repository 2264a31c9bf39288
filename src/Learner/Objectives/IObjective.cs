using DfPO.Models.Policies;
using static TorchSharp.torch;

namespace DfPO.Learner.Objectives;

/// <summary>An update rule: what a token is rewarded with, and the loss that pushes its log-probability.</summary>
public interface IObjective
{
    /// <summary>Whether continuations drawn from <paramref name="behaviour"/> are data for this rule.</summary>
    bool Accepts(DecodingPolicy behaviour);

    /// <summary>Reward of each token of a continuation.</summary>
    double[] TokenRewards(Trajectory trajectory);

    /// <summary>Index of the value head that estimates a continuation's returns.</summary>
    int ValueHead(Trajectory trajectory) => 0;

    /// <summary>The policy loss of a minibatch, a scalar to minimise.</summary>
    /// <param name="logprobs"><c>log pi_theta(a|s)</c> of the minibatch's tokens under the current weights, <c>[tokens]</c>, with a gradient.</param>
    /// <param name="batch">What else is known of those tokens.</param>
    /// <param name="statistics">Receives what the rule measures.</param>
    Tensor Loss(Tensor logprobs, TokenBatch batch, Statistics statistics);

    /// <summary>Adapts to the mean <c>log pi_theta - log pi_0</c> a token of the iteration that has just been learnt from.</summary>
    void EndIteration(double meanKl)
    {
    }

    /// <summary>What adapts, by metric name: reported, and saved in a checkpoint.</summary>
    IReadOnlyDictionary<string, double> State => new Dictionary<string, double>();

    /// <summary>Takes a saved <see cref="State"/> back.</summary>
    void Restore(IReadOnlyDictionary<string, double> state)
    {
    }
}
