using DfPO.Actors.Configuration;
using DfPO.Learner.Configuration;
using DfPO.Learner.Objectives;

namespace DfPO.Host.Configuration;

/// <summary>The numbers that follow from an experiment's sizes.</summary>
/// <param name="Sequences">Sequences that an iteration learns from: continuations, or given texts.</param>
/// <param name="PerPrompt">Of them a prompt's (or a given pair's), in words; empty when it is one.</param>
/// <param name="Units">Work units an iteration; with masked behaviour each policy has its own; 0 where nothing is rolled out.</param>
/// <param name="Minibatches">Minibatches an epoch, at most.</param>
/// <param name="Epochs">Passes over the batch.</param>
/// <param name="StepsPerIteration">Optimiser steps an iteration, at most.</param>
/// <param name="OptimiserSteps">Optimiser steps in all, at most.</param>
/// <param name="TokensPerIteration">Most tokens generated an iteration.</param>
/// <param name="Evaluations">Validations, the one of the initial weights included.</param>
internal sealed record BatchArithmetic(
    int Sequences,
    string PerPrompt,
    int Units,
    int Minibatches,
    int Epochs,
    int StepsPerIteration,
    long OptimiserSteps,
    long TokensPerIteration,
    int Evaluations
)
{
    /// <summary>Computes them for a checked configuration.</summary>
    public static BatchArithmetic Of(ExperimentConfig config)
    {
        var traits = ObjectiveRegistry.Traits(config.Learner);
        var (prompts, continuations) = (
            config.Rollout.PromptsPerIteration,
            config.Rollout.PromptsPerIteration * traits.Behaviours.Count * traits.SamplesPerPrompt
        );
        var sequences = traits.SamplesPerPrompt > 0 ? continuations : prompts * traits.SequencesPerBundle;
        // A rule that keeps sequences together makes one such bundle of a prompt, at most.
        var (kept, together) = traits.SequencesPerBundle > 1 ? (prompts, traits.SequencesPerBundle) : (sequences, 1);
        var size = traits.WholeBatch ? kept : Math.Max(1, config.Learner.MinibatchSize / together);
        var (minibatches, epochs) = ((kept + size - 1) / size, traits.Epochs ?? config.Learner.Epochs);
        return new(
            sequences,
            Words(traits),
            continuations / config.Rollout.UnitSize,
            minibatches,
            epochs,
            minibatches * epochs,
            (long)minibatches * epochs * config.Iterations,
            (long)continuations * config.Rollout.Generation.MaxNewTokens,
            1 + (config.Iterations + config.Evaluation.Every - 1) / config.Evaluation.Every
        );
    }

    private static string Words(ObjectiveTraits traits) =>
        (traits.Behaviours.Count, traits.SamplesPerPrompt) switch
        {
            ( > 1, > 1) => $" x {traits.Behaviours.Count} masked policies x {traits.SamplesPerPrompt} continuations",
            ( > 1, _) => $" x {traits.Behaviours.Count} masked policies",
            (_, > 1) => $" x {traits.SamplesPerPrompt} continuations",
            (_, 0) when traits.SequencesPerBundle > 1 => $" x {traits.SequencesPerBundle} of a given pair",
            _ => "",
        };
}
