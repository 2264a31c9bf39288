using DfPO.Learner.Advantages;
using DfPO.Learner.Objectives;
using DfPO.Models;

namespace DfPO.Learner.Configuration;

/// <summary>
/// The one place where an update rule is chosen. A new rule is a file and a line here (and its name in <see cref="ObjectiveKind"/>); see
/// docs/add-an-objective.md.
/// </summary>
public static class ObjectiveRegistry
{
    // As many as GRPO's.
    private const int DefaultSamples = 8;

    private static readonly Dictionary<ObjectiveKind, Entry> s_entries = new()
    {
        [ObjectiveKind.Dfpo] = new(o => new DfpoObjective(o.Dfpo, o.Clip), nameof(LearnerOptions.Dfpo)),
        [ObjectiveKind.Ppo] = new(o => new PpoObjective(o.Ppo, o.Clip), nameof(LearnerOptions.Ppo)),
        [ObjectiveKind.Nlpo] = new(o => new NlpoObjective(o.Nlpo, o.Ppo, o.Clip), nameof(LearnerOptions.Nlpo), nameof(LearnerOptions.Ppo)),
        [ObjectiveKind.A2c] = new(o => new A2cObjective(o.A2c), nameof(LearnerOptions.A2c)),
        [ObjectiveKind.Trpo] = new(o => new TrpoObjective(o.Trpo), nameof(LearnerOptions.Trpo)),
        [ObjectiveKind.Supervised] = new(_ => new SupervisedObjective()),
        [ObjectiveKind.Grpo] = new(o => new GrpoObjective(o.Grpo, o.Clip), nameof(LearnerOptions.Grpo)),
        [ObjectiveKind.Rloo] = new(o => new RlooObjective(o.Rloo, o.Clip), nameof(LearnerOptions.Rloo)),
        [ObjectiveKind.ReinforcePlusPlus] = new(
            o => new ReinforcePlusPlusObjective(o.ReinforcePlusPlus, o.Clip),
            nameof(LearnerOptions.ReinforcePlusPlus)
        ),
        [ObjectiveKind.Dpo] = new(o => new DpoObjective(o.Dpo), nameof(LearnerOptions.Dpo)),
        [ObjectiveKind.Kto] = new(o => new KtoObjective(o.Kto), nameof(LearnerOptions.Kto)),
        [ObjectiveKind.PpoSupervised] = new(
            o => new PpoSupervisedObjective(o.PpoSupervised, o.Ppo, o.Clip),
            nameof(LearnerOptions.PpoSupervised),
            nameof(LearnerOptions.Ppo)
        ),
    };

    /// <summary>The rule that the options ask for, in its initial state.</summary>
    /// <exception cref="DfpoException"><c>learner/options</c>, naming the field.</exception>
    public static IObjective Create(LearnerOptions options)
    {
        var rule = s_entries[options.Checked().Objective].Create(options);
        var compares = options.Advantages is AdvantageKind.Group or AdvantageKind.Rloo;
        return options.Advantages == AdvantageKind.Default && options.SamplesPerPrompt == 0
            ? rule
            : new ChosenAdvantages(
                rule,
                options.Advantages == AdvantageKind.Default ? AdvantageKind.Gae : options.Advantages,
                options.SamplesPerPrompt > 0 ? options.SamplesPerPrompt
                    : compares ? DefaultSamples
                    : rule.Traits.SamplesPerPrompt,
                options.Gamma
            );
    }

    /// <summary>Whether a rule takes advantages from a value model, and so from anywhere.</summary>
    internal static bool TakesAdvantages(ObjectiveKind kind) =>
        kind
            is ObjectiveKind.Dfpo
                or ObjectiveKind.Ppo
                or ObjectiveKind.Nlpo
                or ObjectiveKind.A2c
                or ObjectiveKind.Trpo
                or ObjectiveKind.PpoSupervised;

    /// <summary>What that rule needs of the loop around it.</summary>
    /// <exception cref="DfpoException"><c>learner/options</c>, naming the field.</exception>
    public static ObjectiveTraits Traits(LearnerOptions options) => Create(options).Traits;

    /// <summary>Names of the sections of <see cref="LearnerOptions"/> that the chosen rule reads.</summary>
    internal static IReadOnlyList<string> Sections(LearnerOptions options) => s_entries[options.Objective].Sections;

    private sealed record Entry(Func<LearnerOptions, IObjective> Create, params string[] Sections);
}
