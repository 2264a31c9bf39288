using DfPO.Models.Policies;

namespace DfPO.Learner.Objectives;

/// <summary>What an update rule needs of the loop around it. The loop asks for traits; it never asks which rule it is.</summary>
public sealed record ObjectiveTraits
{
    /// <summary>Policies that training data are drawn from; each of them continues every prompt.</summary>
    public IReadOnlyList<DecodingPolicy> Behaviours { get; init; } = [DecodingPolicy.Policy];

    /// <summary>
    /// Continuations of a prompt by each behaviour. With more than one, continuations of the same prompt carry the same
    /// <see cref="Trajectory.Group"/>. 0: nothing is rolled out, the batch is made of given texts (<see cref="Trajectory.Demonstrated"/>,
    /// <see cref="PreferencePair"/>).
    /// </summary>
    public int SamplesPerPrompt { get; init; } = 1;

    /// <summary>Heads of the value model; 0 for a rule without one.</summary>
    public int ValueHeads { get; init; } = 1;

    /// <summary>Whether a value model is trained beside the policy.</summary>
    public bool NeedsValue => ValueHeads > 0;

    /// <summary>Whether <see cref="TokenSequence.ReferenceLogprobs"/> enter the update, rather than figures alone.</summary>
    public bool NeedsReference { get; init; } = true;

    /// <summary>
    /// Whether the reference model scores the whole vocabulary in each pass of the update, for which the learner holds it.
    /// </summary>
    public bool ReferenceInLearner { get; init; }

    /// <summary>
    /// Whether the loss needs the log-ratio of prompts with other prompts' continuations (<see cref="TokenBatch.MismatchedLogRatios"/>),
    /// for which the learner holds the reference.
    /// </summary>
    public bool NeedsMismatched { get; init; }

    /// <summary>
    /// Whether current log-probabilities are compared with earlier ones: by a ratio, a mask, or a distance from the reference.
    /// </summary>
    public bool ComparesPolicies { get; init; } = true;

    /// <summary>Whether each prompt needs a given continuation (<see cref="Trajectory.Demonstration"/>).</summary>
    public bool NeedsDemonstrations { get; init; }

    /// <summary>Sequences that a minibatch keeps together: 2 for a pair.</summary>
    public int SequencesPerBundle { get; init; } = 1;

    /// <summary>
    /// Whether one step is taken on the whole batch, whatever <see cref="Configuration.LearnerOptions.MinibatchSize"/> says.
    /// </summary>
    public bool WholeBatch { get; init; }

    /// <summary>Whether the policy is differentiated twice, which is tested on a CPU alone.</summary>
    public bool NeedsSecondDerivatives { get; init; }

    /// <summary>Passes over the batch; null takes <see cref="Configuration.LearnerOptions.Epochs"/>.</summary>
    public int? Epochs { get; init; }

    /// <summary>GAE's lambda; null takes <see cref="Configuration.LearnerOptions.Lambda"/>.</summary>
    public double? Lambda { get; init; }

    /// <summary>The policy that evaluations and model selection decode with.</summary>
    public DecodingPolicy Decode { get; init; } = DecodingPolicy.Policy;

    /// <summary>The mask of the behaviours that are masked by the reference; null where none is.</summary>
    public KlMaskTraits? KlMask { get; init; }

    /// <summary>
    /// Restricts what rollouts and evaluations of the policy may draw to the likely tokens of a slower policy; null for no restriction.
    /// </summary>
    public MaskPolicyTraits? MaskPolicy { get; init; }
}

/// <summary>How the log-ratio to the reference masks a behaviour (DfPO's <c>pi+</c> and <c>pi-</c>).</summary>
/// <param name="Rule">Threshold.</param>
/// <param name="Tolerance"><c>tau</c>.</param>
public sealed record KlMaskTraits(KlMaskRule Rule, double Tolerance);

/// <summary>A policy that lags behind the learner's and whose most likely tokens are all that may be sampled (NLPO).</summary>
/// <param name="TopP">Probability that the kept tokens reach; the token that crosses it is kept.</param>
/// <param name="MinTokensToKeep">Tokens that are kept at least.</param>
/// <param name="RefreshEvery">Iterations after which it takes over the learner's weights; 0 keeps the initial policy's for ever.</param>
/// <param name="HeldByLearner">Whether the learner holds it, for the update, and publishes it for generation; otherwise it is the reference
/// model, which every engine has.</param>
public sealed record MaskPolicyTraits(double TopP, int MinTokensToKeep, int RefreshEvery, bool HeldByLearner);
