using DfPO.Learner.Advantages;
using DfPO.Models.Policies;
using static TorchSharp.torch;

namespace DfPO.Learner.Objectives;

/// <summary>
/// An update rule that has a value model by itself, with advantages of another kind: no value model, and as many continuations of a prompt
/// as the advantages compare.
/// </summary>
/// <remarks>
/// Rewards are the rule's own, a KL penalty included; of whole continuations they are summed. The loss does with the advantages what it
/// does with a value model's.
/// </remarks>
/// <param name="rule">The rule.</param>
/// <param name="kind">Its advantages.</param>
/// <param name="samplesPerPrompt">Continuations of a prompt by each behaviour.</param>
/// <param name="gamma">Discount of the rewards to come.</param>
internal sealed class ChosenAdvantages(IObjective rule, AdvantageKind kind, int samplesPerPrompt, double gamma) : IObjective
{
    /// <inheritdoc/>
    public ObjectiveTraits Traits { get; } =
        rule.Traits with
        {
            ValueHeads = kind == AdvantageKind.Gae ? rule.Traits.ValueHeads : 0,
            SamplesPerPrompt = samplesPerPrompt,
            // A rule that moves the policy by itself has its passes for the value model alone.
            Epochs = kind != AdvantageKind.Gae && rule.TrustRegion is not null ? 0 : rule.Traits.Epochs,
        };

    public TrpoOptions? TrustRegion => rule.TrustRegion;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, double> State => rule.State;

    /// <inheritdoc/>
    public bool Accepts(DecodingPolicy behaviour) => rule.Accepts(behaviour);

    /// <inheritdoc/>
    public IReadOnlyList<Trajectory[]> Bundles(IReadOnlyList<Trajectory> batch) => rule.Bundles(batch);

    /// <inheritdoc/>
    public double[] TokenRewards(Trajectory trajectory) => rule.TokenRewards(trajectory);

    /// <inheritdoc/>
    public double[][] FinishRewards(double[][] rewards) => rule.FinishRewards(rewards);

    /// <inheritdoc/>
    public int ValueHead(Trajectory trajectory) => rule.ValueHead(trajectory);

    /// <inheritdoc/>
    public double[][] Advantages(IReadOnlyList<Trajectory> batch) =>
        kind switch
        {
            AdvantageKind.Group => OfGroups(batch, rewards => GroupAdvantages.Standardised(rewards)),
            AdvantageKind.Rloo => OfGroups(batch, GroupAdvantages.LeaveOneOut),
            _ => RewardsToCome.Whitened(Rewards(batch), gamma),
        };

    /// <inheritdoc/>
    public Tensor Loss(Tensor logprobs, TokenBatch batch, Statistics statistics) => rule.Loss(logprobs, batch, statistics);

    /// <inheritdoc/>
    public void EndIteration(double meanKl) => rule.EndIteration(meanKl);

    /// <inheritdoc/>
    public void Restore(IReadOnlyDictionary<string, double> state) => rule.Restore(state);

    private double[][] Rewards(IReadOnlyList<Trajectory> batch) => rule.FinishRewards([.. batch.Select(rule.TokenRewards)]);

    private double[][] OfGroups(IReadOnlyList<Trajectory> batch, Func<IReadOnlyList<double>, double[]> ofGroup) =>
        GroupAdvantages.Broadcast(
            batch,
            GroupAdvantages.ByGroup([.. Rewards(batch).Select(tokens => tokens.Sum())], [.. batch.Select(t => t.Group)], ofGroup)
        );
}
