namespace DfPO.Learner.Objectives;

/// <summary>
/// What a KL penalty in the reward takes of <c>d = log pi_theta_old - log pi_0</c> at a token. k1 is the default everywhere.
/// </summary>
public enum KlPenaltyForm
{
    /// <summary><c>d</c> (TRL's "k1", of old "kl").</summary>
    K1,

    /// <summary><c>d^2 / 2</c> (TRL's "mse").</summary>
    K2,

    /// <summary><c>exp(-d) - 1 + d</c> (TRL's "k3").</summary>
    K3,

    /// <summary><c>|d|</c> (TRL's "abs").</summary>
    Abs,
}
