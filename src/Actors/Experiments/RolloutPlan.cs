using DfPO.Actors.Weights;
using DfPO.Actors.Work;
using DfPO.Learner;
using DfPO.Learner.Objectives;
using DfPO.Models;
using DfPO.Models.Policies;
using DfPO.Rollout;
using DfPO.Tasks.Prompts;

namespace DfPO.Actors.Experiments;

/// <summary>A unit to be rolled out, with the texts that its continuations are rewarded with.</summary>
/// <param name="Unit">The work.</param>
/// <param name="Prompts">The prompts, in the order of the unit's requests.</param>
public sealed record PlannedUnit(RolloutUnit Unit, IReadOnlyList<Prompt> Prompts);

/// <summary>Which units an iteration or an evaluation consists of: a pure function of configuration, iteration and weights, so nothing of it needs saving.</summary>
/// <param name="config">The experiment.</param>
/// <param name="encode">Token ids of a text.</param>
public sealed class RolloutPlan(ExperimentConfig config, Func<string, int[]> encode)
{
    private const ulong TrainingSeeds = 0x74726169, EvaluationSeeds = 0x6576616c;

    /// <summary>The policies that training data are drawn from: <c>pi_theta</c>, or <c>pi+</c> and <c>pi-</c>.</summary>
    public static IReadOnlyList<DecodingPolicy> Behaviours(LearnerOptions learner) => learner is { Objective: ObjectiveKind.Dfpo, Dfpo.Behaviour: DfpoBehaviour.Masked }
        ? [DecodingPolicy.Positive, DecodingPolicy.Negative]
        : [DecodingPolicy.Policy];

    /// <summary>The training units of an iteration.</summary>
    /// <param name="prompts">Training prompts.</param>
    /// <param name="iteration">Finished iterations.</param>
    /// <param name="weights">Weights to roll out.</param>
    public IReadOnlyList<PlannedUnit> Training(PromptSet prompts, int iteration, WeightsRef weights)
    {
        var perIteration = config.Rollout.PromptsPerIteration;
        var first = (long)iteration * perIteration;
        Prompt[] drawn = [.. Enumerable.Range(0, perIteration).Select(i => prompts.Draw(config.Seed, first + i))];
        var seeds = CounterRandom.UInt64(config.Seed, TrainingSeeds);
        return [.. Behaviours(config.Learner).SelectMany(policy => Units($"train-{iteration + 1}", drawn, policy, weights,
            i => CounterRandom.UInt64(seeds + (ulong)policy, (ulong)(first + i))))];
    }

    /// <summary>The units of an evaluation: all prompts as often as configured, with the same seeds whatever the weights and the policy, so that figures compare in pairs.</summary>
    /// <param name="name">Name of the evaluation, unique within the run.</param>
    /// <param name="prompts">Prompts of the split.</param>
    /// <param name="policy">What decodes.</param>
    /// <param name="weights">Weights to evaluate.</param>
    public IReadOnlyList<PlannedUnit> Evaluation(string name, PromptSet prompts, DecodingPolicy policy, WeightsRef weights)
    {
        var seeds = CounterRandom.UInt64(config.Seed, EvaluationSeeds);
        Prompt[] repeated = [.. Enumerable.Repeat(prompts.Prompts, config.Evaluation.SamplesPerPrompt).SelectMany(all => all)];
        return Units(name, repeated, policy, weights, i => CounterRandom.UInt64(seeds, (ulong)i));
    }

    private IReadOnlyList<PlannedUnit> Units(string name, IReadOnlyList<Prompt> prompts, DecodingPolicy policy, WeightsRef weights, Func<int, ulong> seed)
    {
        var options = config.Rollout.Generation with
        {
            Policy = policy,
            MaskRule = config.Learner.Dfpo.MaskRule,
            Tolerance = config.Learner.Dfpo.Tolerance,
        };
        return [.. prompts.Select((prompt, index) => (prompt, index)).Chunk(config.Rollout.UnitSize).Select((chunk, number) => new PlannedUnit(
            new RolloutUnit(new UnitId($"{name}/{policy.ToString().ToLowerInvariant()}/{weights.Digest[..8]}/{number}"),
                [.. chunk.Select(p => new GenerationRequest(Encode(p.prompt), seed(p.index)))], options, weights),
            [.. chunk.Select(p => p.prompt)]))];
    }

    private int[] Encode(Prompt prompt)
    {
        var tokens = encode(prompt.Text);
        return tokens.Length <= config.Task.MaxPromptTokens ? tokens : tokens[^config.Task.MaxPromptTokens..];
    }
}
