using System.Text.Json.Serialization;
using DfPO.Actors.Configuration;
using DfPO.Learner.Configuration;
using DfPO.Models.Policies;

namespace DfPO.Actors.Experiments;

/// <summary>A training unit that was submitted: which one, and with what it is rolled out.</summary>
/// <param name="Number">Counts the units of a run; prompts and seeds are a function of it.</param>
/// <param name="Version">Version of the weights.</param>
/// <param name="Behaviour">The policy that the continuations are drawn from, which the number decides too.</param>
[method: JsonConstructor]
public readonly record struct TrainingUnit(long Number, int Version, DecodingPolicy Behaviour);

/// <summary>
/// How the numbers of training units map to iterations and behaviours: an iteration's numbers are consecutive, one behaviour after the
/// other. A rule that rolls nothing out has no unit.
/// </summary>
/// <param name="Behaviours">The policies that training data are drawn from.</param>
/// <param name="UnitsPerBehaviour">Units of each of them an iteration.</param>
public sealed record UnitGrid(IReadOnlyList<DecodingPolicy> Behaviours, int UnitsPerBehaviour)
{
    /// <summary>Units that an update learns from.</summary>
    public int PerIteration => Behaviours.Count * UnitsPerBehaviour;

    /// <summary>The grid of an experiment.</summary>
    public static UnitGrid Of(ExperimentConfig config)
    {
        var traits = ObjectiveRegistry.Traits(config.Learner);
        return new(traits.Behaviours, config.Rollout.PromptsPerIteration * traits.SamplesPerPrompt / config.Rollout.UnitSize);
    }

    /// <summary>The unit of a number.</summary>
    public TrainingUnit Unit(long number, int version) =>
        new(number, version, Behaviours[(int)(number % PerIteration) / UnitsPerBehaviour]);

    /// <summary>Which iteration's prompts a number stands for (from 0), and which of the behaviour's units it is there.</summary>
    public (int Iteration, int Index) Place(long number) => ((int)(number / PerIteration), (int)(number % UnitsPerBehaviour));
}
