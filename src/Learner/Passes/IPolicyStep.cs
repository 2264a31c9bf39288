namespace DfPO.Learner.Passes;

/// <summary>An update rule that moves the policy itself, once an iteration, instead of leaving its loss to AdamW.</summary>
internal interface IPolicyStep
{
    /// <summary>One step on the whole batch. It leaves no gradient behind.</summary>
    /// <param name="policy">The policy.</param>
    /// <param name="batch">The sequences and their advantages.</param>
    /// <param name="statistics">Receives what was measured.</param>
    /// <exception cref="NotFiniteNumberException">A loss or a direction is not finite; no weight has been touched.</exception>
    void Step(PolicyPass policy, IReadOnlyList<ScoredTrajectory> batch, Statistics statistics);
}
