using DfPO.Models.Policies;

namespace DfPO.Learner.Objectives;

/// <summary>Which pushes a mask lets through.</summary>
public enum DfpoMaskRule
{
    /// <summary>See <see cref="KlMaskRule.Sign"/>.</summary>
    Sign,

    /// <summary>See <see cref="KlMaskRule.KlCentred"/>.</summary>
    KlCentred,

    /// <summary>See <see cref="KlMaskRule.Scaled"/>.</summary>
    Scaled,

    /// <summary>
    /// All of them while a continuation's mean KL is within <see cref="DfpoOptions.KlBudget"/>, and beyond it those that lower the KL; see
    /// <see cref="Objectives.KlBudget"/>.
    /// </summary>
    Budget,
}

/// <summary>Whose KL is held against the budget.</summary>
public enum BudgetOver
{
    /// <summary>Each continuation's own mean.</summary>
    Sequence,

    /// <summary>The mean over a minibatch's tokens.</summary>
    Minibatch,
}

/// <summary>How the KL is measured that is held against the budget.</summary>
public enum BudgetForm
{
    /// <summary>Over the whole vocabulary, for which the learner holds the reference model.</summary>
    Exact,

    /// <summary>From the drawn tokens' log-probabilities alone, by <c>k3</c>.</summary>
    Sampled,
}

/// <summary>Learning and decoding.</summary>
public static class DfpoMaskRules
{
    /// <summary>
    /// The rule that the masked policies of a learner's rule decode with. A budget is about continuations, which decoding has only begun:
    /// there the sign decides.
    /// </summary>
    public static KlMaskRule Decoding(this DfpoMaskRule rule) =>
        rule switch
        {
            DfpoMaskRule.KlCentred => KlMaskRule.KlCentred,
            DfpoMaskRule.Scaled => KlMaskRule.Scaled,
            _ => KlMaskRule.Sign,
        };
}
