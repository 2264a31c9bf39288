using DfPO.Actors.Configuration;
using DfPO.Actors.Evaluation;
using DfPO.Actors.Weights;
using DfPO.Actors.Work;
using DfPO.Learner.Configuration;
using DfPO.Learner.Objectives;
using DfPO.Models;
using DfPO.Models.Policies;
using DfPO.Rollout;
using DfPO.Tasks.Prompts;

namespace DfPO.Actors.Experiments;

/// <summary>A unit to be rolled out, with the texts that its continuations are rewarded with.</summary>
/// <param name="Unit">The work.</param>
/// <param name="Prompts">The prompts, in the order of the unit's requests.</param>
public sealed record PlannedUnit(RolloutUnit Unit, IReadOnlyList<Prompt> Prompts)
{
    /// <summary>
    /// Of a training unit: number of each continuation's prompt, unique within the run. A prompt's continuations are all in one unit.
    /// </summary>
    public IReadOnlyList<int> Groups { get; init; } = [];

    /// <summary>Of a training unit: each prompt's given continuation, where the objective learns from one; else empty.</summary>
    public IReadOnlyList<int[]> Demonstrations { get; init; } = [];
}

/// <summary>
/// What a training unit or an evaluation consists of: a pure function of configuration, number and weights, so nothing of it needs saving.
/// </summary>
/// <param name="config">The experiment.</param>
/// <param name="texts">Token ids of its texts.</param>
public sealed class RolloutPlan(ExperimentConfig config, TaskTexts texts)
{
    private const ulong TrainingSeeds = 0x74726169,
        EvaluationSeeds = 0x6576616c;
    private readonly UnitGrid _grid = UnitGrid.Of(config);
    private readonly ObjectiveTraits _traits = ObjectiveRegistry.Traits(config.Learner);

    /// <summary>A training unit.</summary>
    /// <param name="prompts">Training prompts.</param>
    /// <param name="unit">Which one.</param>
    /// <param name="weights">Weights to roll out.</param>
    public PlannedUnit Training(PromptSet prompts, TrainingUnit unit, WeightsRef weights)
    {
        var (iteration, index) = _grid.Place(unit.Number);
        var samples = _traits.SamplesPerPrompt;
        var first = ((long)iteration * config.Rollout.PromptsPerIteration * samples) + ((long)index * config.Rollout.UnitSize);
        var seeds = CounterRandom.UInt64(config.Seed, TrainingSeeds) + (ulong)unit.Behaviour;
        // Weights of several versions may have the same digest, for instance while only the value model learns.
        var version = weights.Version == iteration ? "" : $"@{weights.Version}";
        long[] continuations = [.. Enumerable.Range(0, config.Rollout.UnitSize).Select(i => first + i)];
        var drawn = continuations.Select(c => prompts.Draw(config.Seed, c / samples)).ToArray();
        var planned = Unit(
            $"train-{iteration + 1}",
            $"{index}{version}",
            weights,
            [.. drawn.Zip(continuations, (prompt, c) => (prompt, CounterRandom.UInt64(seeds, (ulong)c)))],
            Decoding(unit.Behaviour)
        );
        return planned with
        {
            Groups = [.. continuations.Select(c => (int)(c / samples))],
            Demonstrations = _traits.NeedsDemonstrations
                ? [.. drawn.Zip(continuations, (prompt, c) => texts.Demonstration(prompt, c / samples))]
                : [],
        };
    }

    /// <summary>
    /// The units of an evaluation: all prompts as often as configured, with the same seeds whatever the weights and the policy, so that
    /// figures compare in pairs.
    /// </summary>
    /// <param name="name">Name of the evaluation, unique within the run.</param>
    /// <param name="prompts">Prompts, each as often as it is to be continued.</param>
    /// <param name="decoding">How.</param>
    /// <param name="weights">Weights to evaluate.</param>
    public IReadOnlyList<PlannedUnit> Evaluation(string name, IReadOnlyList<Prompt> prompts, GenerationOptions decoding, WeightsRef weights)
    {
        var seeds = CounterRandom.UInt64(config.Seed, EvaluationSeeds);
        return
        [
            .. prompts
                .Select((prompt, i) => (prompt, CounterRandom.UInt64(seeds, (ulong)i)))
                .Chunk(config.Rollout.UnitSize)
                .Select((chunk, number) => Unit(name, $"{number}", weights, chunk, decoding)),
        ];
    }

    /// <summary>
    /// How a behaviour's training data are drawn, under training's own mask. Beams under a KL mask are refused by who draws.
    /// </summary>
    private GenerationOptions Decoding(DecodingPolicy behaviour)
    {
        var generation = config.Rollout.Generation;
        var masked = generation with { MaskRule = config.Learner.Dfpo.MaskRule.Decoding(), Tolerance = config.Learner.Dfpo.Tolerance };
        return masked.Under(behaviour, _traits.MaskPolicy) with { NumBeams = generation.NumBeams };
    }

    private PlannedUnit Unit(
        string name,
        string number,
        WeightsRef weights,
        (Prompt Prompt, ulong Seed)[] prompts,
        GenerationOptions options
    ) =>
        new(
            new RolloutUnit(
                new UnitId($"{name}/{options.Policy.Name()}/{weights.Digest[..8]}/{number}"),
                [.. prompts.Select(p => new GenerationRequest(texts.Prompt(p.Prompt), p.Seed))],
                options,
                weights,
                texts.EndOfText
            ),
            [.. prompts.Select(p => p.Prompt)]
        );
}
