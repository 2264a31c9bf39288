using DfPO.Actors.Configuration;
using DfPO.Actors.Evaluation;
using DfPO.Actors.Learning;
using DfPO.Host.Configuration;
using DfPO.Host.Runs;
using DfPO.Learner.Configuration;
using DfPO.Learner.Objectives;
using DfPO.Models;
using DfPO.Models.Policies;
using DfPO.Models.Tokenizers;
using DfPO.Rollout;

namespace DfPO.Host.Generation;

/// <summary>
/// A policy that is decoded outside of its run as in it: the one place where a run's or an experiment's word about sampling and masks
/// becomes options and models.
/// </summary>
internal sealed class TrainedPolicy
{
    private readonly MaskPolicyTraits? _mask;

    private TrainedPolicy(string checkpoint, string? reference, ExperimentConfig? config) =>
        (Checkpoint, Reference, Config, _mask) = (checkpoint, reference ?? config?.Model.Policy, config, MaskOf(config));

    /// <summary>Checkpoint folder of the policy; of a run: its best weights.</summary>
    public string Checkpoint { get; }

    /// <summary>Checkpoint folder of <c>pi_0</c>, which training started from; null where nothing says it.</summary>
    public string? Reference { get; }

    /// <summary>The experiment; null where nothing says it.</summary>
    public ExperimentConfig? Config { get; }

    /// <summary>Whether the policy itself is drawn under a mask of NLPO, so that it takes a second model.</summary>
    public bool IsMasked => _mask is not null;

    /// <summary>The end that the experiment's prompts lose where they are too long; the beginning without one.</summary>
    public TruncationSide TruncationSide => Config?.Task.TruncationSide ?? TruncationSide.Left;

    /// <summary>How the experiment evaluates; the defaults without one.</summary>
    public GenerationOptions Evaluated => Config?.Evaluated() ?? new();

    /// <summary>How the experiment rolls out, under the mask of its evaluations; the defaults without one.</summary>
    public GenerationOptions RolledOut => Config?.Rollout.Generation.WithMaskOf(Config) ?? new();

    /// <summary>
    /// The file that says how a policy is decoded: the given one, or that of the run which the folder is or which keeps it; null for none.
    /// </summary>
    public static string? ExperimentOf(string folder, string? experiment) => experiment ?? RunFolder.Around(folder)?.Config;

    /// <summary>Finds the checkpoint and reads the experiment.</summary>
    /// <param name="folder">A run's folder, or a checkpoint's.</param>
    /// <param name="experiment">HOCON file of the experiment; null takes the run's.</param>
    /// <param name="reference">Checkpoint folder of <c>pi_0</c>; null takes the experiment's.</param>
    /// <param name="whole">Whether its data and models are wanted, too, and must be there; a copied run may have lost them and be decoded
    /// all the same.</param>
    /// <exception cref="DfpoException"><c>usage/mask</c>: a checkpoint with a mask that nothing says the size of; <c>run/no-policy</c> or
    /// <c>config/...</c>.</exception>
    public static TrainedPolicy Open(string folder, string? experiment, string? reference, bool whole)
    {
        var checkpoint = RunFolder.IsOne(folder) ? RunFolder.Open(folder).BestPolicy() : folder;
        if (ExperimentOf(folder, experiment) is { } file)
            return new(checkpoint, reference, whole ? ExperimentFile.Load(file) : ExperimentFile.Read(file));
        return !Directory.Exists(MaskFolder.In(checkpoint))
            ? new(checkpoint, reference, null)
            : throw new DfpoException(
                "usage/mask",
                $"'{checkpoint}' was trained by NLPO and is drawn under the mask in '{MaskFolder.In(checkpoint)}', but nothing says how much that lets through: give the experiment.conf of its run with --experiment. To have the policy without its mask, write it with 'dfpo export'."
            );
    }

    /// <summary>Options under one decoding policy; NLPO's mask is that of the experiment.</summary>
    public GenerationOptions Decoding(GenerationOptions options, DecodingPolicy policy) => options.Under(policy, _mask);

    /// <summary>Loads the policy with the models that its decodings take, and no others.</summary>
    /// <param name="decodings">How it is to be decoded.</param>
    /// <param name="scored">Whether <see cref="Reference"/> is to tell perplexity and KL as well.</param>
    /// <param name="device">Where.</param>
    /// <param name="dtype">How precise.</param>
    public TextGenerator Load(IReadOnlyCollection<GenerationOptions> decodings, bool scored, string device, string dtype) =>
        TextGenerator.Load(
            Checkpoint,
            scored || decodings.Any(options => options.Policy != DecodingPolicy.Policy) ? Reference : null,
            device,
            dtype,
            decodings.Any(options => options.MaskTopP < 1)
                ? _mask!.HeldByLearner
                    ? MaskFolder.Of(Checkpoint)
                    : Reference
                : null,
            TruncationSide
        );

    private static MaskPolicyTraits? MaskOf(ExperimentConfig? config) =>
        config is not null && ObjectiveRegistry.Traits(config.Learner).MaskPolicy is { TopP: < 1 } mask ? mask : null;
}
