using DfPO.Actors.Configuration;
using DfPO.Host.Configuration;
using DfPO.Learner.Configuration;
using DfPO.Models;
using DfPO.Models.Lora;

namespace DfPO.Host.Planning;

/// <summary>Memory of an experiment's tensors, computed from sizes alone.</summary>
/// <param name="Parts">What needs it, bytes, and whether they are on the learner's device.</param>
internal sealed record MemoryEstimate(IReadOnlyList<(string What, double Bytes, bool OnDevice)> Parts)
{
    private const int Float32 = 4;
    private const int Bfloat16 = 2;

    /// <summary>Sum of the parts.</summary>
    public double Total => Parts.Sum(part => part.Bytes);

    /// <summary>Sum of those on the learner's device: the learner's own, and engines that share it.</summary>
    public double OnDevice => Parts.Where(part => part.OnDevice).Sum(part => part.Bytes);

    /// <summary>Estimates the memory of a run whose workers are all in this process.</summary>
    /// <param name="config">The experiment.</param>
    /// <param name="policy">Sizes of the policy, which reference and value model share.</param>
    /// <param name="reward">Parameters of the classifier that rewards; 0 where none does.</param>
    public static MemoryEstimate Of(ExperimentConfig config, ModelConfig policy, long reward)
    {
        var (parameters, learner, lora) = ((double)policy.ParameterCount, config.Learner, config.Model.Lora.IsOn);
        var learnt = lora ? LoraAdapters.Count(policy, config.Model.Lora) : parameters;
        var engine = config.Model.Dtype == "bfloat16" ? Bfloat16 : Float32;
        var workers = Math.Max(1, config.Rollout.Workers);
        var traits = ObjectiveRegistry.Traits(learner);
        var trained = traits.NeedsValue ? 2 : 1;
        var mask = traits.MaskPolicy is { HeldByLearner: true } ? 1 : 0;
        // Under adapters the policy's own weights are the reference's.
        var frozen = mask + (config.LearnerHoldsReference() && !lora ? 1 : 0);
        // Engines take the devices in turn.
        var sharing =
            Enumerable.Range(0, workers).Count(i => config.Rollout.Devices[i % config.Rollout.Devices.Count] == config.Model.Device)
            / (double)workers;
        var generated = config.Rollout.Generation.MaxNewTokens;
        double tokens = Math.Min(policy.MaxPositions, config.Task.MaxPromptTokens + generated);
        var learntTokens = traits.NeedsDemonstrations && config.Task.MaxReferenceTokens > 0 ? config.Task.MaxReferenceTokens : generated;
        double learntLength = Math.Min(policy.MaxPositions, config.Task.MaxPromptTokens + learntTokens);
        var caches = 2.0 * policy.KeyValueWidth * policy.CachedTokens(tokens) * config.Rollout.UnitSize * engine;
        var parts = new List<(string, double, bool)>
        {
            ("learner: policy weights", parameters * Float32, true),
            (lora ? "learner: adapters" : "learner: value model weights", (lora ? trained : trained - 1) * learnt * Float32, true),
            ("learner: gradients", trained * learnt * Float32, true),
            (
                $"learner: AdamW moments{(learner.OffloadOptimizer ? " (host)" : "")}",
                2 * trained * learnt * Float32,
                !learner.OffloadOptimizer
            ),
            (
                "learner: activations of a pass, one model at a time",
                Activations(learner, policy, Sequences(config), learntLength, learntTokens, traits.ReferenceInLearner),
                true
            ),
        };
        if (frozen > 0)
            parts.Add(("learner: mask policy or reference", frozen * parameters * Float32, true));
        if (learner.Bf16)
            parts.Add(
                (
                    "learner: bfloat16 copies of weights within a pass",
                    parameters * Bfloat16 / (learner.RecomputeActivations ? policy.NumHiddenLayers : 1),
                    true
                )
            );
        var versions = config.Async.WeightVersions + mask;
        parts.Add(($"weights served: {versions} versions", learnt * engine * versions, false));
        // A policy of adapters has the reference's weights.
        foreach (
            var (share, where, onDevice) in new[] { (sharing, " on the learner's device", true), (1 - sharing, "", false) }.Where(place =>
                place.Item1 > 0
            )
        )
        {
            parts.Add(
                (
                    $"rollout: policy{(mask > 0 ? ", mask policy" : "")} and reference of {workers * share:F0} worker(s){where}",
                    (parameters + learnt + (mask * parameters)) * engine * workers * share,
                    onDevice
                )
            );
            parts.Add(($"rollout: key/value caches of {workers * share:F0} worker(s){where}", 2 * caches * workers * share, onDevice));
        }
        if (reward > 0)
            parts.Add(("reward model weights", (double)reward * Float32, false));
        return new(parts);
    }

    /// <summary>The learner's device under switches that save memory, each beside those before it.</summary>
    public static IEnumerable<(string Switch, double OnDevice)> WithSwitches(ExperimentConfig config, ModelConfig policy, long reward)
    {
        yield return ("as configured", Of(config, policy, reward).OnDevice);
        foreach (var (name, change) in Switches)
        {
            var changed = change(config);
            if (changed == config)
                continue;
            config = changed;
            yield return ($"+ {name}", Of(config, policy, reward).OnDevice);
        }
    }

    private static IEnumerable<(string, Func<ExperimentConfig, ExperimentConfig>)> Switches =>
        [
            ("learner.microbatch-size = 1", c => c with { Learner = c.Learner with { MicrobatchSize = 1 } }),
            ("learner.recompute-activations = true", c => c with { Learner = c.Learner with { RecomputeActivations = true } }),
            ("learner.offload-optimizer = true", c => c with { Learner = c.Learner with { OffloadOptimizer = true } }),
            ("model.dtype = bfloat16", c => c with { Model = c.Model with { Dtype = "bfloat16" } }),
            ("model.lora.rank = 16", c =>
                c.Model.Lora.IsOn ? c : c with { Model = c.Model with { Lora = c.Model.Lora with { Rank = 16 } } }
            ),
        ];

    private static double Sequences(ExperimentConfig config)
    {
        var minibatch = Math.Min(config.Learner.MinibatchSize, BatchArithmetic.Of(config).Sequences);
        return config.Learner.MicrobatchSize > 0 ? Math.Min(config.Learner.MicrobatchSize, minibatch) : minibatch;
    }

    // Korthikanti et al. 2022, "Reducing Activation Recomputation in Large Transformer Models", equation 1, doubled for float32; plus the
    // logits of the continuations, whose memory serves their gradient.
    private static double Activations(
        LearnerOptions learner,
        ModelConfig config,
        double sequences,
        double tokens,
        double newTokens,
        bool compared
    )
    {
        var block = 2 * sequences * tokens * ((34.0 * config.HiddenSize) + (5 * config.NumAttentionHeads * tokens));
        var blocks = learner.RecomputeActivations
            ? (config.NumHiddenLayers * sequences * tokens * config.HiddenSize * Float32) + block
            : config.NumHiddenLayers * block;
        var scored = learner.HeadChunkTokens > 0 ? Math.Min(learner.HeadChunkTokens, sequences * newTokens) : sequences * newTokens;
        return blocks + ((compared ? 2 : 1) * scored * config.VocabSize * Float32);
    }
}
