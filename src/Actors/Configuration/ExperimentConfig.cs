using System.ComponentModel.DataAnnotations;
using DfPO.Learner.Advantages;
using DfPO.Learner.Configuration;
using DfPO.Learner.Objectives;
using DfPO.Models.Options;

namespace DfPO.Actors.Configuration;

/// <summary>An experiment, as its HOCON file describes it. Keys are these names in kebab-case.</summary>
public sealed record ExperimentConfig
{
    /// <summary>Name of the experiment, which starts its runs' folder names.</summary>
    [RegularExpression("[\\w.-]+", ErrorMessage = "letters, digits, '-', '_' and '.', because it names the run's folder")]
    public string Name { get; init; } = "experiment";

    /// <summary>Seed of everything random.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Training iterations: rollout, reward, update.</summary>
    [Range(1, int.MaxValue)]
    public int Iterations { get; init; } = 50;

    /// <summary>Models.</summary>
    public ModelOptions Model { get; init; } = new();

    /// <summary>Prompts and reward.</summary>
    public TaskOptions Task { get; init; } = new();

    /// <summary>Generation of training data.</summary>
    public RolloutOptions Rollout { get; init; } = new();

    /// <summary>The update.</summary>
    public LearnerOptions Learner { get; init; } = new();

    /// <summary>Generation beside learning.</summary>
    public AsyncOptions Async { get; init; } = new();

    /// <summary>Validation and test.</summary>
    public EvaluationOptions Evaluation { get; init; } = new();

    /// <summary>Resumable state.</summary>
    public CheckpointOptions Checkpoint { get; init; } = new();

    /// <summary>What is kept for those who look at the run.</summary>
    [MayChange]
    public RecordOptions Record { get; init; } = new();

    /// <summary>
    /// Where the run's figures go beside its folder: <c>tensorboard</c> writes event files into it, <c>mlflow</c> sends them to the server
    /// that <c>MLFLOW_TRACKING_URI</c> names.
    /// </summary>
    [MayChange]
    public IReadOnlyList<TrackerKind> Tracking { get; init; } = [];

    /// <summary>How the run's processes speak to each other.</summary>
    [MayChange]
    public ClusterConfig Cluster { get; init; } = new();

    /// <summary>
    /// Whether the learner holds the reference model: to score given texts, which no engine has seen, to compare the policy with it in the
    /// update, or to weigh older rollouts of masked policies.
    /// </summary>
    public bool LearnerHoldsReference() =>
        ObjectiveRegistry.Traits(Learner)
            is { ReferenceInLearner: true }
                or { NeedsMismatched: true }
                or { SamplesPerPrompt: 0, NeedsReference: true }
        || (
            Async.MaxStaleness > 0
            && Learner.RolloutCorrection != RolloutCorrection.None
            && ObjectiveRegistry.Traits(Learner).KlMask is not null
        );

    /// <summary>
    /// The KL mask of <c>pi+</c> and <c>pi-</c> outside of training: what evaluation says of decoding, or else the mask of training.
    /// </summary>
    public DecodingOptions Decoding() =>
        Evaluation.Decoding ?? new() { MaskRule = Learner.Dfpo.MaskRule.Decoding(), Tolerance = Learner.Dfpo.Tolerance };

    /// <summary>Torch threads of the learner as they follow from the options.</summary>
    /// <remarks>
    /// MKL's number of threads is the process's: work beside the learner, which the asynchronous mode has, must use the same.
    /// </remarks>
    public int TorchThreadsOfLearner() =>
        Model.LearnerThreads > 0 ? Model.LearnerThreads
        : Async.MaxStaleness > 0 ? Rollout.Threads
        : Environment.ProcessorCount;
}
