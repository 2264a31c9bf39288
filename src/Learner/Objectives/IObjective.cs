using DfPO.Models.Policies;
using static TorchSharp.torch;

namespace DfPO.Learner.Objectives;

/// <summary>
/// An update rule: what it needs, what a token is credited with, and the loss that pushes log-probabilities.
/// <see cref="Configuration.ObjectiveRegistry"/> knows them all.
/// </summary>
public interface IObjective
{
    /// <summary>What the rule needs of the loop around it.</summary>
    ObjectiveTraits Traits { get; }

    /// <summary>Whether continuations drawn from <paramref name="behaviour"/> are data for this rule.</summary>
    bool Accepts(DecodingPolicy behaviour) => Traits.Behaviours.Contains(behaviour);

    /// <summary>
    /// What a minibatch keeps together: by default each sequence by itself. Sequences may be left out, paired, or joined by demonstrations.
    /// </summary>
    IReadOnlyList<Trajectory[]> Bundles(IReadOnlyList<Trajectory> batch) => [.. batch.Select(trajectory => new[] { trajectory })];

    /// <summary>
    /// With a value model: reward of each token of a continuation, from which advantages and returns are estimated. By default the task
    /// reward at the last one.
    /// </summary>
    double[] TokenRewards(Trajectory trajectory) => trajectory.TerminalRewards();

    /// <summary>
    /// With a value model: what becomes of the token rewards of the whole batch, an array a continuation, before anything is estimated from
    /// them. By default nothing.
    /// </summary>
    double[][] FinishRewards(double[][] rewards) => rewards;

    /// <summary>With a value model: index of the head that estimates a continuation's returns.</summary>
    int ValueHead(Trajectory trajectory) => 0;

    /// <summary>
    /// Without a value model: advantages of each continuation's tokens, from the whole batch. By default zeros, for rules that use none.
    /// </summary>
    double[][] Advantages(IReadOnlyList<Trajectory> batch) => [.. batch.Select(trajectory => new double[trajectory.Tokens.Length])];

    /// <summary>The policy loss of a minibatch, a scalar to minimise. It may depend on the minibatch as a whole.</summary>
    /// <param name="logprobs"><c>log pi_theta(a|s)</c> of the minibatch's tokens under the current weights, <c>[tokens]</c>, with a
    /// gradient.</param>
    /// <param name="batch">What else is known of those tokens.</param>
    /// <param name="statistics">Receives what the rule measures.</param>
    Tensor Loss(Tensor logprobs, TokenBatch batch, Statistics statistics);

    /// <summary>
    /// The trust region within which the learner moves the policy, once on the whole batch, in place of AdamW's minibatches; null for rules
    /// that leave the policy to AdamW.
    /// </summary>
    TrpoOptions? TrustRegion => null;

    /// <summary>Adapts to the mean <c>log pi_theta - log pi_0</c> a token of the iteration that has just been learnt from.</summary>
    void EndIteration(double meanKl) { }

    /// <summary>What adapts, by metric name: reported, and saved in a checkpoint.</summary>
    IReadOnlyDictionary<string, double> State => new Dictionary<string, double>();

    /// <summary>Takes a saved <see cref="State"/> back.</summary>
    void Restore(IReadOnlyDictionary<string, double> state) { }
}
