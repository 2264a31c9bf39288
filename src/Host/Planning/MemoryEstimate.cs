using DfPO.Actors.Experiments;
using DfPO.Host.Configuration;
using DfPO.Models;

namespace DfPO.Host.Planning;

/// <summary>Memory of an experiment's tensors, computed from sizes alone.</summary>
/// <param name="Parts">What needs it, and bytes.</param>
internal sealed record MemoryEstimate(IReadOnlyList<(string What, double Bytes)> Parts)
{
    private const int Float32 = 4;

    /// <summary>Sum of the parts.</summary>
    public double Total => Parts.Sum(part => part.Bytes);

    /// <summary>Estimates the memory of a run whose workers are all in this process.</summary>
    /// <param name="config">The experiment.</param>
    /// <param name="policy">Sizes of the policy, which reference and value model share.</param>
    /// <param name="reward">Parameters of the classifier that rewards; 0 where none does.</param>
    public static MemoryEstimate Of(ExperimentConfig config, ModelConfig policy, long reward)
    {
        var (parameters, batch) = ((double)policy.ParameterCount, BatchArithmetic.Of(config));
        var engine = config.Model.Dtype == "bfloat16" ? 2 : Float32;
        var workers = Math.Max(1, config.Rollout.Workers);
        double tokens = Math.Min(policy.MaxPositions, config.Task.MaxPromptTokens + config.Rollout.Generation.MaxNewTokens);
        return new(
        [
            ("learner: policy weights", parameters * Float32),
            ("learner: value model weights", parameters * Float32),
            ("learner: gradients of both", 2 * parameters * Float32),
            ("learner: AdamW moments of both", 4 * parameters * Float32),
            ("learner: activations of a minibatch", 2 * Activations(policy, Math.Min(config.Learner.MinibatchSize, batch.Sequences), tokens)),
            ($"weights served: {config.Async.WeightVersions} versions", parameters * engine * config.Async.WeightVersions),
            ($"rollout: policy and reference of {workers} worker(s)", 2 * parameters * engine * workers),
            ($"rollout: key/value caches of {workers} worker(s)", 2 * 2.0 * policy.NumHiddenLayers * policy.KeyValueWidth * tokens * config.Rollout.UnitSize * engine * workers),
            .. reward > 0 ? [("reward model weights", (double)reward * Float32)] : Array.Empty<(string, double)>(),
        ]);
    }

    // Korthikanti et al. 2022, "Reducing Activation Recomputation in Large Transformer Models", equation 1, doubled for float32; plus logits and their log-softmax.
    private static double Activations(ModelConfig config, double sequences, double tokens) =>
        (2 * config.NumHiddenLayers * sequences * tokens * ((34.0 * config.HiddenSize) + (5 * config.NumAttentionHeads * tokens))) + (2 * sequences * tokens * config.VocabSize * Float32);
}
