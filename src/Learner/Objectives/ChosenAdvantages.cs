using DfPO.Learner.Advantages;
using DfPO.Learner.Passes;
using DfPO.Models.Policies;
using static TorchSharp.torch;

namespace DfPO.Learner.Objectives;

/// <summary>An update rule that has a value model by itself, with advantages of another kind: no value model, and as many continuations of a prompt as the advantages compare.</summary>
/// <remarks>Rewards are the rule's own, a KL penalty included; of whole continuations they are summed. The loss does with the advantages what it does with a value model's.</remarks>
/// <param name="rule">The rule.</param>
/// <param name="kind">Its advantages.</param>
/// <param name="samplesPerPrompt">Continuations of a prompt by each behaviour.</param>
/// <param name="gamma">Discount of the rewards to come.</param>
internal sealed class ChosenAdvantages(IObjective rule, AdvantageKind kind, int samplesPerPrompt, double gamma) : IObjective
{
    /// <inheritdoc/>
    public ObjectiveTraits Traits { get; } = rule.Traits with
    {
        ValueHeads = kind == AdvantageKind.Gae ? rule.Traits.ValueHeads : 0,
        SamplesPerPrompt = samplesPerPrompt,
        // A rule that moves the policy by itself has its passes for the value model alone.
        Epochs = kind != AdvantageKind.Gae && rule.PolicyStep is not null ? 0 : rule.Traits.Epochs,
    };

    IPolicyStep? IObjective.PolicyStep => rule.PolicyStep;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, double> State => rule.State;

    /// <inheritdoc/>
    public bool Accepts(DecodingPolicy behaviour) => rule.Accepts(behaviour);

    /// <inheritdoc/>
    public IReadOnlyList<Trajectory[]> Units(IReadOnlyList<Trajectory> batch) => rule.Units(batch);

    /// <inheritdoc/>
    public double[] TokenRewards(Trajectory trajectory) => rule.TokenRewards(trajectory);

    /// <inheritdoc/>
    public int ValueHead(Trajectory trajectory) => rule.ValueHead(trajectory);

    /// <inheritdoc/>
    public double[][] Advantages(IReadOnlyList<Trajectory> batch) => kind switch
    {
        AdvantageKind.Group => GroupAdvantages.Broadcast(batch, Total, rewards => GroupAdvantages.Standardised(rewards)),
        AdvantageKind.Rloo => GroupAdvantages.Broadcast(batch, Total, GroupAdvantages.LeaveOneOut),
        _ => RewardsToCome.Whitened([.. batch.Select(rule.TokenRewards)], gamma),
    };

    /// <inheritdoc/>
    public Tensor Loss(Tensor logprobs, TokenBatch batch, Statistics statistics) => rule.Loss(logprobs, batch, statistics);

    /// <inheritdoc/>
    public void EndIteration(double meanKl) => rule.EndIteration(meanKl);

    /// <inheritdoc/>
    public void Restore(IReadOnlyDictionary<string, double> state) => rule.Restore(state);

    private double Total(Trajectory trajectory) => rule.TokenRewards(trajectory).Sum();
}
