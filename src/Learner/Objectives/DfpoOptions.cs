using System.ComponentModel.DataAnnotations;
using DfPO.Models.Options;
using DfPO.Models.Policies;

namespace DfPO.Learner.Objectives;

/// <summary>What the learner's data are drawn from.</summary>
public enum DfpoBehaviour
{
    /// <summary>
    /// <c>pi_theta</c>: one rollout a prompt, masks as weights of the update (the ICML form as read in the specification).
    /// </summary>
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

    /// <summary>
    /// What the mask lets through. With <see cref="DfpoMaskRule.KlCentred"/> the threshold is always the rollout weights' KL at the state.
    /// </summary>
    public DfpoMaskRule MaskRule { get; init; } = DfpoMaskRule.Sign;

    /// <summary>
    /// Budget <c>delta</c> of <see cref="DfpoMaskRule.Budget"/>: how far a continuation may drift from the reference, nats a token, at
    /// least 0.
    /// </summary>
    [Range(0, double.PositiveInfinity)]
    [MayBeInfinite]
    [Unit("nats a token")]
    public double KlBudget { get; init; } = 0.2;

    /// <summary>Whose KL is held against the budget.</summary>
    public BudgetOver BudgetOver { get; init; } = BudgetOver.Sequence;

    /// <summary>How that KL is measured.</summary>
    public BudgetForm BudgetForm { get; init; } = BudgetForm.Exact;

    /// <summary>
    /// Tolerance <c>tau</c> of the mask, at least 0: nats, or with <see cref="DfpoMaskRule.Scaled"/> standard deviations of <c>l</c> over
    /// the policy at the state. The rule <see cref="DfpoMaskRule.Budget"/> learns without one; what it decodes by <c>pi+</c> or <c>pi-</c>
    /// has it.
    /// </summary>
    [Range(0, double.PositiveInfinity)]
    public float Tolerance { get; init; } = 0.1f;

    /// <summary>The policy that evaluations and model selection decode with.</summary>
    [MayChange]
    public DecodingPolicy Decode { get; init; } = DecodingPolicy.Negative;

    /// <summary>
    /// Whether advantages are divided by their root mean square in each minibatch. They are never centred: their sign is their meaning.
    /// </summary>
    public bool ScaleAdvantages { get; init; }

    /// <summary>Value heads.</summary>
    public DfpoValue Value { get; init; } = DfpoValue.Single;

    IEnumerable<OptionRule> IObjectiveOptions.Rules =>
        [
            new(
                MaskRule != DfpoMaskRule.Scaled || Behaviour == DfpoBehaviour.Masked || MaskAt == DfpoMaskAt.Update,
                "dfpo.mask-at",
                "update with 'dfpo.mask-rule = scaled' on samples of the policy, of whose rollout the deviation is not known"
            ),
            new(
                MaskRule != DfpoMaskRule.Budget || Behaviour == DfpoBehaviour.Policy,
                "dfpo.behaviour",
                "policy with 'dfpo.mask-rule = budget', which masks pushes and not what is drawn"
            ),
            new(
                MaskRule != DfpoMaskRule.Budget || MaskAt == DfpoMaskAt.Update,
                "dfpo.mask-at",
                "update with 'dfpo.mask-rule = budget', which measures the weights being updated"
            ),
            new(
                Value == DfpoValue.Single || Behaviour == DfpoBehaviour.Masked,
                "dfpo.value",
                "single unless 'dfpo.behaviour' is masked: the second head is for samples of pi-"
            ),
        ];
}
