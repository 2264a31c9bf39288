namespace DfPO.Learner.Objectives;

/// <summary>
/// Hyper-parameters of one update rule: a section of <see cref="Configuration.LearnerOptions"/>. Ranges of single options are attributes of
/// their properties.
/// </summary>
public interface IObjectiveOptions
{
    /// <summary>What must hold between options.</summary>
    IEnumerable<OptionRule> Rules => [];
}

/// <summary>One condition on several options.</summary>
/// <param name="Holds">Whether it is met.</param>
/// <param name="Field">Full name under <c>learner</c> of the option to change, as a file spells it.</param>
/// <param name="MustBe">What the option must be, for the error.</param>
public readonly record struct OptionRule(bool Holds, string Field, string MustBe);
