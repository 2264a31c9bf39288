namespace DfPO.Learner.Configuration;

/// <summary>The update rules; <see cref="ObjectiveRegistry"/> says what each of them is.</summary>
public enum ObjectiveKind
{
    /// <summary>Degeneration-free policy optimisation.</summary>
    Dfpo,

    /// <summary>Proximal policy optimisation with a KL penalty, fixed or adaptive.</summary>
    Ppo,

    /// <summary>PPO that samples from the top-p tokens of a slower mask policy.</summary>
    Nlpo,

    /// <summary>Advantage actor-critic: one plain policy-gradient step a batch.</summary>
    A2c,

    /// <summary>Trust-region policy optimisation: natural gradient and line search.</summary>
    Trpo,

    /// <summary>Likelihood of given continuations; nothing is rolled out.</summary>
    Supervised,

    /// <summary>Group-relative policy optimisation.</summary>
    Grpo,

    /// <summary>REINFORCE with a leave-one-out baseline.</summary>
    Rloo,

    /// <summary>REINFORCE++: no critic, advantages whitened over the batch.</summary>
    ReinforcePlusPlus,

    /// <summary>Direct preference optimisation, of offline pairs or of pairs made from rollouts.</summary>
    Dpo,

    /// <summary>Kahneman-Tversky optimisation: continuations that are wanted or not, each by itself, offline or from rollouts.</summary>
    Kto,

    /// <summary>PPO with the likelihood of given continuations as a second term.</summary>
    PpoSupervised,
}
