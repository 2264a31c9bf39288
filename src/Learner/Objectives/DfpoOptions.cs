using DfPO.Models.Policies;

namespace DfPO.Learner.Objectives;

/// <summary>What the learner's data are drawn from.</summary>
public enum DfpoBehaviour
{
    /// <summary><c>pi_theta</c>: one rollout a prompt, masks as weights of the update (the ICML form as read in the specification).</summary>
    Policy,

    /// <summary><c>pi+</c> and <c>pi-</c>: two rollouts a prompt (the ICLR form).</summary>
    Masked,
}

/// <summary>When the log-ratio of the mask is taken.</summary>
public enum DfpoMaskAt
{
    /// <summary>With the weights that rolled out; frozen over the epochs.</summary>
    Rollout,

    /// <summary>With the weights being updated, without a gradient through the test.</summary>
    Update,
}

/// <summary>How many value heads estimate the returns.</summary>
public enum DfpoValue
{
    /// <summary>One for both kinds of samples.</summary>
    Single,

    /// <summary>One for samples of <c>pi+</c> and one for samples of <c>pi-</c>.</summary>
    TwoHeaded,
}

/// <summary>The orthogonal switches of DfPO; see the specification in docs for which come from the paper.</summary>
public sealed record DfpoOptions : IObjectiveOptions
{
    /// <summary>What the learner's data are drawn from.</summary>
    public DfpoBehaviour Behaviour { get; init; } = DfpoBehaviour.Policy;

    /// <summary>When the mask is taken.</summary>
    public DfpoMaskAt MaskAt { get; init; } = DfpoMaskAt.Update;

    /// <summary>Threshold of the mask. With <see cref="KlMaskRule.KlCentred"/> the threshold is always the rollout weights' KL at the state.</summary>
    public KlMaskRule MaskRule { get; init; } = KlMaskRule.Sign;

    /// <summary>Tolerance <c>tau</c> of the mask, nats, at least 0.</summary>
    public float Tolerance { get; init; } = 0.1f;

    /// <summary>The policy that evaluations and model selection decode with.</summary>
    public DecodingPolicy Decode { get; init; } = DecodingPolicy.Negative;

    /// <summary>Whether advantages are divided by their root mean square in each minibatch. They are never centred: their sign is their meaning.</summary>
    public bool ScaleAdvantages { get; init; }

    /// <summary>Value heads.</summary>
    public DfpoValue Value { get; init; } = DfpoValue.Single;

    IEnumerable<OptionRule> IObjectiveOptions.Rules =>
    [
        OptionRule.NotNegative(Tolerance, "dfpo.tolerance"),
        new(Value == DfpoValue.Single || Behaviour == DfpoBehaviour.Masked, "dfpo.value", "single unless 'dfpo.behaviour' is masked: the second head is for samples of pi-"),
    ];
}
