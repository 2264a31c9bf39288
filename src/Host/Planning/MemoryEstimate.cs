using DfPO.Actors.Experiments;
using DfPO.Host.Configuration;
using DfPO.Models.Gpt2;

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
    /// <param name="reward">Sizes of the reward model.</param>
    public static MemoryEstimate Of(ExperimentConfig config, Gpt2Config policy, Gpt2Config reward)
    {
        var (parameters, batch) = (Parameters(policy), BatchArithmetic.Of(config));
        var engine = config.Model.Dtype == "bfloat16" ? 2 : Float32;
        var workers = Math.Max(1, config.Rollout.Workers);
        double tokens = Math.Min(policy.NPositions, config.Task.MaxPromptTokens + config.Rollout.Generation.MaxNewTokens);
        return new(
        [
            ("learner: policy weights", parameters * Float32),
            ("learner: value model weights", parameters * Float32),
            ("learner: gradients of both", 2 * parameters * Float32),
            ("learner: AdamW moments of both", 4 * parameters * Float32),
            ("learner: activations of a minibatch", 2 * Activations(policy, Math.Min(config.Learner.MinibatchSize, batch.Sequences), tokens)),
            ($"weights served: {config.Async.WeightVersions} versions", parameters * engine * config.Async.WeightVersions),
            ($"rollout: policy and reference of {workers} worker(s)", 2 * parameters * engine * workers),
            ($"rollout: key/value caches of {workers} worker(s)", 2 * 2 * policy.NLayer * policy.NEmbd * tokens * config.Rollout.UnitSize * engine * workers),
            ("reward model weights", Parameters(reward) * Float32),
        ]);
    }

    /// <summary>Parameters of a GPT-2 body with tied head.</summary>
    public static double Parameters(Gpt2Config config)
    {
        double width = config.NEmbd, inner = config.NInner ?? 4 * width;
        var block = (4 * width * width) + (4 * width) + (2 * width * inner) + inner + width + (4 * width);
        return (config.VocabSize * width) + (config.NPositions * width) + (config.NLayer * block) + (2 * width);
    }

    // Korthikanti et al. 2022, "Reducing Activation Recomputation in Large Transformer Models", equation 1, doubled for float32; plus logits and their log-softmax.
    private static double Activations(Gpt2Config config, double sequences, double tokens) =>
        (2 * config.NLayer * sequences * tokens * ((34.0 * config.NEmbd) + (5 * config.NHead * tokens))) + (2 * sequences * tokens * config.VocabSize * Float32);
}
