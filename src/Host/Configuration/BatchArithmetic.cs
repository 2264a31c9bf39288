using DfPO.Actors.Experiments;
using DfPO.Learner;
using DfPO.Learner.Objectives;

namespace DfPO.Host.Configuration;

/// <summary>The numbers that follow from an experiment's sizes.</summary>
/// <param name="Sequences">Training continuations an iteration.</param>
/// <param name="Units">Work units an iteration; with masked behaviour each policy has its own.</param>
/// <param name="Minibatches">Minibatches an epoch.</param>
/// <param name="StepsPerIteration">Optimiser steps an iteration.</param>
/// <param name="OptimiserSteps">Optimiser steps in all.</param>
/// <param name="TokensPerIteration">Most tokens generated an iteration.</param>
/// <param name="Evaluations">Validations, the one of the initial weights included.</param>
internal sealed record BatchArithmetic(int Sequences, int Units, int Minibatches, int StepsPerIteration, long OptimiserSteps, long TokensPerIteration, int Evaluations)
{
    /// <summary>Whether each prompt is continued by both masked policies.</summary>
    public static bool IsMasked(LearnerOptions learner) => learner is { Objective: ObjectiveKind.Dfpo, Dfpo.Behaviour: DfpoBehaviour.Masked };

    /// <summary>Computes them for a checked configuration.</summary>
    public static BatchArithmetic Of(ExperimentConfig config)
    {
        var copies = IsMasked(config.Learner) ? 2 : 1;
        var sequences = config.Rollout.PromptsPerIteration * copies;
        var minibatches = sequences / config.Learner.MinibatchSize;
        var steps = minibatches * config.Learner.Epochs;
        return new(sequences, sequences / config.Rollout.UnitSize, minibatches, steps, (long)steps * config.Iterations,
            (long)sequences * config.Rollout.Generation.MaxNewTokens, 1 + (config.Iterations + config.Evaluation.Every - 1) / config.Evaluation.Every);
    }
}
