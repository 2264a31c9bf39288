using DfPO.Actors.Configuration;
using DfPO.Actors.Weights;
using DfPO.Actors.Work;
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
    /// <summary>Of a training unit: number of each continuation's prompt, unique within the run. A prompt's continuations are all in one unit.</summary>
    public IReadOnlyList<int> Groups { get; init; } = [];

    /// <summary>Of a training unit: each prompt's given continuation, where the objective learns from one; else empty.</summary>
    public IReadOnlyList<int[]> Demonstrations { get; init; } = [];
}

/// <summary>What a training unit or an evaluation consists of: a pure function of configuration, number and weights, so nothing of it needs saving.</summary>
/// <param name="config">The experiment.</param>
/// <param name="texts">Token ids of its texts.</param>
public sealed class RolloutPlan(ExperimentConfig config, TaskTexts texts)
{
    private const ulong TrainingSeeds = 0x74726169, EvaluationSeeds = 0x6576616c;
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
        var planned = Unit($"train-{iteration + 1}", $"{index}{version}", unit.Behaviour, weights, [.. drawn.Zip(continuations, (prompt, c) => (prompt, CounterRandom.UInt64(seeds, (ulong)c)))], config.Rollout.Generation, config.Learner.Dfpo.MaskRule.Decoding(), config.Learner.Dfpo.Tolerance);
        return planned with
        {
            Groups = [.. continuations.Select(c => (int)(c / samples))],
            Demonstrations = _traits.NeedsDemonstrations ? [.. drawn.Zip(continuations, (prompt, c) => texts.Demonstration(prompt, c / samples))] : [],
        };
    }

    /// <summary>The units of an evaluation: all prompts as often as configured, with the same seeds whatever the weights and the policy, so that figures compare in pairs.</summary>
    /// <param name="name">Name of the evaluation, unique within the run.</param>
    /// <param name="prompts">Prompts of the split.</param>
    /// <param name="policy">What decodes.</param>
    /// <param name="weights">Weights to evaluate.</param>
    /// <param name="samples">Continuations of each prompt.</param>
    public IReadOnlyList<PlannedUnit> Evaluation(string name, PromptSet prompts, DecodingPolicy policy, WeightsRef weights, int samples)
    {
        var seeds = CounterRandom.UInt64(config.Seed, EvaluationSeeds);
        var repeated = Enumerable.Repeat(prompts.Prompts, samples).SelectMany(all => all);
        return [.. repeated.Select((prompt, i) => (prompt, CounterRandom.UInt64(seeds, (ulong)i))).Chunk(config.Rollout.UnitSize)
            .Select((chunk, number) => Unit(name, $"{number}", policy, weights, chunk, EvaluationOptions(policy), config.Decoding().MaskRule, config.Decoding().Tolerance))];
    }

    // A KL-masked policy is sampled: there is no beam search under such a mask.
    private GenerationOptions EvaluationOptions(DecodingPolicy policy)
    {
        var generation = config.Evaluation.Generation ?? config.Rollout.Generation;
        return policy == DecodingPolicy.Policy ? generation : generation with { NumBeams = 1 };
    }

    private PlannedUnit Unit(string name, string number, DecodingPolicy policy, WeightsRef weights, (Prompt Prompt, ulong Seed)[] prompts, GenerationOptions generation, KlMaskRule rule, float tolerance)
    {
        var options = generation with
        {
            Policy = policy,
            MaskRule = rule,
            Tolerance = tolerance,
        };
        // One mask at a time: what a KL mask decodes is the policy alone.
        if (_traits.MaskPolicy is { } mask && policy == DecodingPolicy.Policy)
            options = options with { MaskTopP = mask.TopP, MaskMinTokens = mask.MinTokensToKeep };
        return new PlannedUnit(
            new RolloutUnit(new UnitId($"{name}/{policy.ToString().ToLowerInvariant()}/{weights.Digest[..8]}/{number}"),
                [.. prompts.Select(p => new GenerationRequest(texts.Prompt(p.Prompt), p.Seed))], options, weights, texts.EndOfText),
            [.. prompts.Select(p => p.Prompt)]);
    }
}
