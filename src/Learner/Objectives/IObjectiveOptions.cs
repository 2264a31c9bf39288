namespace DfPO.Learner.Objectives;

/// <summary>Hyper-parameters of one update rule: a section of <see cref="LearnerOptions"/>.</summary>
public interface IObjectiveOptions
{
    /// <summary>What must hold of them.</summary>
    IEnumerable<OptionRule> Rules { get; }
}

/// <summary>One condition on an option.</summary>
/// <param name="Holds">Whether it is met.</param>
/// <param name="Field">The option's full name under <c>learner</c>, as a file spells it.</param>
/// <param name="MustBe">What the option must be, for the error.</param>
public readonly record struct OptionRule(bool Holds, string Field, string MustBe)
{
    /// <summary>Finite and greater than 0.</summary>
    public static OptionRule Positive(double value, string field) => new(double.IsFinite(value) && value > 0, field, "greater than 0");

    /// <summary>Finite and at least 0.</summary>
    public static OptionRule NotNegative(double value, string field, string note = "") => new(double.IsFinite(value) && value >= 0, field, "at least 0" + note);

    /// <summary>A whole number of at least <paramref name="least"/>.</summary>
    public static OptionRule AtLeast(int least, int value, string field, string note = "") => new(value >= least, field, $"at least {least}{note}");

    /// <summary>From 0 to 1, the ends included.</summary>
    public static OptionRule UnitInterval(double value, string field) => new(value is >= 0 and <= 1, field, "between 0 and 1");
}
