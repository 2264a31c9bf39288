using DfPO.Actors.Configuration;
using DfPO.Learner.Configuration;
using DfPO.Learner.Optimisation;
using DfPO.Models;
using DfPO.Models.Gguf;
using DfPO.Rollout;

namespace DfPO.Host.Configuration;

/// <summary>
/// Checks that no single key can make: sizes that must divide each other, keys that exclude each other, and files that must exist.
/// </summary>
internal static class ExperimentValidation
{
    /// <summary>The configuration when all is well, with the steps that its schedule ends at.</summary>
    /// <exception cref="DfpoException"><c>config/range</c>, <c>config/batch</c>, <c>config/conflict</c>, <c>config/path</c> or
    /// <c>config/tls</c>.</exception>
    public static ExperimentConfig Checked(ExperimentConfig config)
    {
        OptionSchema.Check(config, "config/range");
        Within("rollout.generation", () => config.Rollout.Generation.Checked());
        Within("learner", () => config.Learner.Checked());
        Within("model", () => config.Model.Lora.Checked());
        if (config.Evaluation.Generation is { } evaluated)
            Within("evaluation.generation", () => evaluated.Checked());
        OneOfEach(config.Rollout.Generation, "rollout.generation");
        if (config.Evaluation.Generation is { } measured)
            OneOfEach(measured, "evaluation.generation");
        Batches(config);
        config = WithScheduleSteps(config);
        Paths(config);
        if (!config.Cluster.Tls.IsEmpty && !config.Cluster.Tls.IsComplete)
            throw new DfpoException(
                "config/tls",
                "'cluster.tls' needs ca, certificate and key, all three or none; 'dfpo certs' makes the files."
            );
        return config;
    }

    /// <summary>
    /// Written down rather than computed anew, so that a run that is resumed for more iterations goes on along the same schedule.
    /// </summary>
    private static ExperimentConfig WithScheduleSteps(ExperimentConfig config)
    {
        if (config.Learner.Schedule == ScheduleKind.Constant || config.Learner.ScheduleSteps > 0)
            return config;
        var steps = BatchArithmetic.Of(config).OptimiserSteps;
        if (steps <= config.Learner.WarmupSteps)
            throw new DfpoException(
                "config/range",
                $"'learner.warmup-steps' is {config.Learner.WarmupSteps}, but the run has {steps} optimiser steps in all: set it lower, or more iterations."
            );
        return config with { Learner = config.Learner with { ScheduleSteps = (int)steps } };
    }

    /// <summary>
    /// In the asynchronous mode what learns and what works beside it in the same process must agree on the number of torch threads: MKL has
    /// one number for the whole process, an engine sets it to 1 while it decodes, and the learner's sums round differently with another.
    /// </summary>
    /// <param name="config">A checked configuration.</param>
    /// <param name="localWorkers">Rollout workers in the learner's process.</param>
    /// <exception cref="DfpoException"><c>config/threads</c>.</exception>
    public static void Threads(ExperimentConfig config, int localWorkers)
    {
        var rollout = config.Rollout;
        if (config.Async.MaxStaleness == 0)
            return;
        if (localWorkers > 0 && rollout.Threads != 1)
            throw new DfpoException(
                "config/threads",
                $"'rollout.threads' is {rollout.Threads}, but with 'async.max-staleness' above 0 engines in the learner's process must use 1: they change the whole process's number of threads while the learner learns,"
                    + " and its weights would depend on the timing. Set rollout.threads=1 (and more rollout.workers), or use --local-workers 0 (or rollout.workers=0) and start engines with 'dfpo worker' or --workers."
            );
        if (localWorkers + rollout.RewardWorkers > 0 && config.TorchThreadsOfLearner() != rollout.Threads)
            throw new DfpoException(
                "config/threads",
                $"'model.learner-threads' is {config.Model.LearnerThreads}, but with 'async.max-staleness' above 0 and workers in the learner's process it must be 'rollout.threads', {rollout.Threads}: torch has one number of threads for the whole process,"
                    + " and the learner's weights would depend on the timing. Leave it at 0, or have no workers in this process: --local-workers 0 and rollout.reward-workers=0."
            );
    }

    private static void Within(string section, Action check)
    {
        try
        {
            check();
        }
        catch (DfpoException e)
        {
            throw new DfpoException("config/range", $"{section}: {e.Message}", e);
        }
    }

    private static void OneOfEach(GenerationOptions generation, string section)
    {
        if (generation.NumReturnSequences > 1)
            throw new DfpoException(
                "config/range",
                $"'{section}.num-return-sequences' is {generation.NumReturnSequences}, and a run takes one continuation of each prompt that it draws: set it to 1; 'dfpo generate' returns more."
            );
    }

    private static void Batches(ExperimentConfig config)
    {
        var (rollout, traits, batch) = (config.Rollout, ObjectiveRegistry.Traits(config.Learner), BatchArithmetic.Of(config));
        var (samples, sequences) = (traits.SamplesPerPrompt, batch.Sequences);
        if (samples > 1 && rollout.UnitSize % samples != 0)
            throw new DfpoException(
                "config/batch",
                $"'rollout.unit-size' {rollout.UnitSize} is not a multiple of the {samples} continuations of a prompt, which the objective compares and a unit never parts: set one of {Divisors(rollout.PromptsPerIteration, samples)}."
            );
        if (samples > 0 && rollout.PromptsPerIteration * samples % rollout.UnitSize != 0)
            throw new DfpoException(
                "config/batch",
                samples == 1
                    ? $"'rollout.unit-size' {rollout.UnitSize} does not divide 'rollout.prompts-per-iteration' {rollout.PromptsPerIteration}: set one of {Divisors(rollout.PromptsPerIteration)}."
                    : $"'rollout.unit-size' {rollout.UnitSize} does not divide the {rollout.PromptsPerIteration * samples} continuations of an iteration ({rollout.PromptsPerIteration} prompts{batch.PerPrompt}): set one of {Divisors(rollout.PromptsPerIteration, samples)}."
            );
        if (!traits.WholeBatch && sequences % config.Learner.MinibatchSize != 0)
            throw new DfpoException(
                "config/batch",
                $"'learner.minibatch-size' {config.Learner.MinibatchSize} does not divide the {sequences} sequences of an iteration ({rollout.PromptsPerIteration} prompts{batch.PerPrompt}): set one of {Divisors(sequences)}."
            );
        if (samples == 0 && config.Async.MaxStaleness > 0)
            throw new DfpoException(
                "config/conflict",
                $"'async.max-staleness' is {config.Async.MaxStaleness}, but the objective rolls nothing out ahead of learning: set it to 0."
            );
    }

    private static void Paths(ExperimentConfig config)
    {
        Exists(
            config.Model.Policy,
            "model.policy",
            path => Directory.Exists(path) || GgufModel.Find(path) is not null,
            "a checkpoint folder with config.json, model.safetensors and a tokenizer, or of a GGUF file"
        );
        TaskValidation.Check(config);
    }

    private static void Exists(string path, string key, Func<string, bool> exists, string what)
    {
        if (path.Length == 0)
            throw new DfpoException("config/path", $"'{key}' is not set: give the path of {what}.");
        if (!exists(path))
            throw new DfpoException("config/path", $"'{key}' is '{path}', which does not exist: give the path of {what}.");
    }

    private static string Divisors(int of, int times = 1) =>
        string.Join(", ", Enumerable.Range(1, of).Where(d => of % d == 0).Select(d => d * times));
}
