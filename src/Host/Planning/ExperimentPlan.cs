using System.Globalization;
using System.Text;
using DfPO.Actors.Configuration;
using DfPO.Host.Configuration;
using DfPO.Learner.Configuration;
using DfPO.Models;
using DfPO.Tasks.Rewards;

namespace DfPO.Host.Planning;

/// <summary>What an experiment will do, told before it does anything.</summary>
internal static class ExperimentPlan
{
    // A tenth is left to the allocator and to kernels.
    private const double Gpu80 = 0.9 * 80e9;

    /// <summary>The plan as text; reads the models' <c>config.json</c>, but no weights.</summary>
    public static string Write(ExperimentConfig config)
    {
        var policy = PretrainedModels.ReadConfig(config.Model.Policy);
        var reward = config.Task.Reward.Uses(RewardKind.Classifier) ? PretrainedModels.ReadClassifierSize(config.Task.RewardModel) : 0;
        var batch = BatchArithmetic.Of(config);
        var memory = MemoryEstimate.Of(config, policy, reward);
        var text = new StringBuilder();
        void Section(string name) => text.Append(text.Length > 0 ? "\n" : "").Append("# ").Append(name).Append('\n');
        void Line(string what, object value) => text.Append(CultureInfo.InvariantCulture, $"{what,-70}{value}\n");

        Section("Resolved configuration");
        text.Append(ResolvedConfig.Write(config));

        Section("Batch arithmetic");
        Line("prompts an iteration", config.Rollout.PromptsPerIteration);
        Line(
            "sequences an iteration",
            $"{batch.Sequences}{(batch.PerPrompt.Length > 0 ? $" ({config.Rollout.PromptsPerIteration}{batch.PerPrompt})" : "")}"
        );
        Line("work units an iteration", $"{batch.Units} of {config.Rollout.UnitSize} continuations");
        Line("tokens generated an iteration, at most", batch.TokensPerIteration);
        Line(
            "minibatches an epoch",
            $"{batch.Minibatches} of {(batch.Minibatches == 1 ? batch.Sequences : config.Learner.MinibatchSize)} sequences"
        );
        Line("optimiser steps an iteration", $"{batch.StepsPerIteration} ({batch.Epochs} epochs)");

        Section("Schedule");
        Line("iterations", config.Iterations);
        if (ObjectiveRegistry.Traits(config.Learner).NeedsValue)
            Line("value model alone", ValueAlone(config));
        Line("optimiser steps in all", batch.OptimiserSteps);
        Line("tokens generated for training, at most", batch.TokensPerIteration * config.Iterations);
        Line("validations", $"{batch.Evaluations} (every {config.Evaluation.Every} iterations, and before the first)");
        Line(
            "rolled out ahead of learning",
            config.Async.MaxStaleness == 0 ? "nothing (synchronous)" : $"{config.Async.MaxStaleness} iterations"
        );
        Line("torch threads of the learner", config.TorchThreadsOfLearner());
        Line("checkpoints", $"every {config.Checkpoint.Every} iterations");

        Section("Memory, all workers in this process (estimate)");
        Line("policy parameters", Count(policy.ParameterCount));
        foreach (var (what, bytes, _) in memory.Parts)
            Line(what, Bytes(bytes));
        Line("total", Bytes(memory.Total));
        Line("of it on the learner's device", Bytes(memory.OnDevice));

        Section("Memory of the learner's device under switches that save it, each beside those before it");
        foreach (var (what, bytes) in MemoryEstimate.WithSwitches(config, policy, reward))
            Line(what, $"{Bytes(bytes)}{(bytes <= Gpu80 ? "  fits one 80 GB GPU" : "")}");
        return text.ToString();
    }

    private static string ValueAlone(ExperimentConfig config)
    {
        var iterations = Math.Min(config.Learner.ValueWarmupIterations, config.Iterations);
        return iterations == 0 || config.Learner.ValueWarmupUntil == 0
            ? $"{iterations} iterations"
            : string.Create(
                CultureInfo.InvariantCulture,
                $"until its explained variance is {config.Learner.ValueWarmupUntil}, {iterations} iterations at most"
            );
    }

    private static string Count(double count) =>
        count >= 1e6
            ? string.Create(CultureInfo.InvariantCulture, $"{count / 1e6:F1} million")
            : string.Create(CultureInfo.InvariantCulture, $"{count:F0}");

    private static string Bytes(double bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / (1 << 20):F1} MiB");
}
