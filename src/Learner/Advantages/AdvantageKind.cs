namespace DfPO.Learner.Advantages;

/// <summary>What a token is credited with.</summary>
public enum AdvantageKind
{
    /// <summary>What the update rule has by itself: a value model and <see cref="Gae"/>, or its own way.</summary>
    Default,

    /// <summary>Generalised advantage estimation, with a value model (Schulman et al. 2016).</summary>
    Gae,

    /// <summary>A continuation's reward against the mean of its prompt's, over their deviation (GRPO); no value model.</summary>
    Group,

    /// <summary>A continuation's reward against the mean of the others of its prompt (RLOO); no value model.</summary>
    Rloo,

    /// <summary>Discounted rewards to come, whitened over the batch (REINFORCE++); no value model.</summary>
    Reinforce,
}
