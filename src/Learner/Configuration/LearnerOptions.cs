using System.ComponentModel.DataAnnotations;
using DfPO.Learner.Advantages;
using DfPO.Learner.Guards;
using DfPO.Learner.Objectives;
using DfPO.Learner.Optimisation;
using DfPO.Models;
using DfPO.Models.Options;

namespace DfPO.Learner.Configuration;

/// <summary>Hyper-parameters of the learner; the defaults are the paper's where it states them.</summary>
public sealed record LearnerOptions
{
    /// <summary>The update rule.</summary>
    public ObjectiveKind Objective { get; init; } = ObjectiveKind.Dfpo;

    /// <summary>AdamW's learning rate (paper: 1e-5).</summary>
    [Range(0, double.PositiveInfinity, MinimumIsExclusive = true)]
    public double LearningRate { get; init; } = 1e-5;

    /// <summary>Learning rate of the value model; 0 takes <see cref="LearningRate"/>.</summary>
    [Range(0, double.PositiveInfinity)]
    public double ValueLearningRate { get; init; }

    /// <summary>How the policy's learning rate goes on after its warm-up; the value model's stays.</summary>
    public ScheduleKind Schedule { get; init; } = ScheduleKind.Constant;

    /// <summary>The policy's first optimiser steps, over which its learning rate rises from 0.</summary>
    [Range(0, int.MaxValue)]
    public int WarmupSteps { get; init; }

    /// <summary>
    /// The policy's optimiser steps in all, which a linear or cosine schedule ends at; 0 takes what the run's iterations come to.
    /// </summary>
    [Range(0, int.MaxValue)]
    public int ScheduleSteps { get; init; }

    /// <summary>The end of a cosine schedule as a share of <see cref="LearningRate"/>, in [0, 1].</summary>
    [Range(0.0, 1.0)]
    public double MinLearningRateRatio { get; init; }

    /// <summary>Decoupled weight decay of matrices.</summary>
    [Range(0, double.PositiveInfinity)]
    public double WeightDecay { get; init; } = 1e-6;

    /// <summary>
    /// What tokens are credited with, for rules that have a value model by default: DfPO, PPO, NLPO, A2C, TRPO, PPO with a supervised term.
    /// No value model is made where none is used.
    /// </summary>
    public AdvantageKind Advantages { get; init; }

    /// <summary>
    /// Continuations of each prompt by each behaviour, for those rules; 0 takes 8 with advantages that compare them (<c>group</c>,
    /// <c>rloo</c>), else 1. GRPO, RLOO and DPO have keys of their own.
    /// </summary>
    [Range(0, int.MaxValue)]
    public int SamplesPerPrompt { get; init; }

    /// <summary>Discount (paper: 0.99), in (0, 1].</summary>
    [Range(0.0, 1.0, MinimumIsExclusive = true)]
    public double Gamma { get; init; } = 0.99;

    /// <summary>GAE's lambda (paper: 0.95), in [0, 1].</summary>
    [Range(0.0, 1.0)]
    public double Lambda { get; init; } = 0.95;

    /// <summary>
    /// Whether a continuation that the length limit cut off goes on in its value: its last target then has <c>gamma V</c> of the state
    /// after it. RL4LMs, and the default, take the limit for an end.
    /// </summary>
    public bool BootstrapTruncated { get; init; }

    /// <summary>PPO's clip range epsilon: how far a ratio may fall under 1.</summary>
    [Range(0, double.PositiveInfinity, MinimumIsExclusive = true)]
    public double ClipRange { get; init; } = 0.2;

    /// <summary>
    /// How far a ratio may rise above 1 ("clip-higher", TRL's epsilon_high); 0 takes <see cref="ClipRange"/>. With <c>grpo.loss-type</c>
    /// cispo the cap of the ratio itself.
    /// </summary>
    [Range(0, double.PositiveInfinity)]
    public double ClipRangeHigh { get; init; }

    /// <summary>Passes over the batch.</summary>
    [Range(1, int.MaxValue)]
    public int Epochs { get; init; } = 5;

    /// <summary>Sequences a minibatch (paper: 16); must divide the sequences of an iteration.</summary>
    [Range(1, int.MaxValue)]
    public int MinibatchSize { get; init; } = 16;

    /// <summary>
    /// Sequences that a model works on at a time, so that a minibatch need not fit into memory at once; 0 means the whole minibatch. The
    /// step is the same up to rounding.
    /// </summary>
    [Range(0, int.MaxValue)]
    public int MicrobatchSize { get; init; }

    /// <summary>
    /// Tokens whose logits are held at a time; 0 holds a micro-batch's. With a limit the head runs twice, and no
    /// <c>[tokens, vocabulary]</c> array is ever held.
    /// </summary>
    [Range(0, int.MaxValue)]
    public int HeadChunkTokens { get; init; }

    /// <summary>Weight of the value loss.</summary>
    [Range(0, double.PositiveInfinity)]
    public double ValueCoefficient { get; init; } = 0.5;

    /// <summary>
    /// How far a value may gain from moving away from where it was before the update (PPO's value clipping); 0 for no bound.
    /// </summary>
    [Range(0, double.PositiveInfinity)]
    public double ValueClipRange { get; init; }

    /// <summary>
    /// Weight of an entropy bonus, the policy's mean entropy a token, beside the objective's own loss; for objectives that leave the step
    /// to AdamW.
    /// </summary>
    [Range(0, double.PositiveInfinity)]
    public double EntropyCoefficient { get; init; }

    /// <summary>Bound on the global norm of the gradient of policy and value together.</summary>
    [Range(0, double.PositiveInfinity, MinimumIsExclusive = true)]
    public double MaxGradNorm { get; init; } = 0.5;

    /// <summary>
    /// First iterations, at most, in which only the value model learns: before it knows the mean reward, every advantage has the same sign.
    /// </summary>
    [Range(0, int.MaxValue)]
    public int ValueWarmupIterations { get; init; }

    /// <summary>
    /// Explained variance (of returns that the value model has not learnt from) at which the warm-up is over; the policy learns from the
    /// next iteration on. 0 takes all of <see cref="ValueWarmupIterations"/>.
    /// </summary>
    [Range(0.0, 1, MaximumIsExclusive = true)]
    public double ValueWarmupUntil { get; init; }

    /// <summary>Learning rate of the value model while it learns alone; 0 takes its usual one.</summary>
    [Range(0, double.PositiveInfinity)]
    public double ValueWarmupLearningRate { get; init; }

    /// <summary>
    /// What weighs a rollout's tokens by <c>min(pi_learner / pi_rollout, c)</c>, both before the update: the engine computes the same
    /// policy by other kernels, maybe in another precision, and in asynchronous runs with older weights. Ratios, masks and distances from
    /// the reference are the learner's own either way.
    /// </summary>
    public RolloutCorrection RolloutCorrection { get; init; } = RolloutCorrection.Token;

    /// <summary>Bound c of that weight, greater than 0 (2 in verl; Espeholt et al. 2018).</summary>
    [Range(0, double.PositiveInfinity, MinimumIsExclusive = true)]
    public double ImportanceTruncation { get; init; } = 2;

    /// <summary>Guard: the highest mean KL a token of the rollouts, nats; see <see cref="GuardOptions.ExplodingKl"/>.</summary>
    [Range(0, double.PositiveInfinity, MinimumIsExclusive = true)]
    [MayChange]
    public double MaxKl { get; init; } = 10;

    /// <summary>Whether matrix products run in bfloat16 (float32 weights and optimiser).</summary>
    public bool Bf16 { get; init; }

    /// <summary>
    /// Whether blocks keep only their inputs for the gradient and compute the rest again on the way back: less memory, a third more
    /// arithmetic, the same step up to rounding.
    /// </summary>
    [MayChange]
    public bool RecomputeActivations { get; init; }

    /// <summary>
    /// Whether AdamW's moments live in the host's memory, where the steps are then taken, while the models are on another device.
    /// </summary>
    [MayChange]
    public bool OffloadOptimizer { get; init; }

    /// <summary>Alarms.</summary>
    [MayChange]
    public GuardOptions Guards { get; init; } = new();

    /// <summary>DfPO's switches.</summary>
    public DfpoOptions Dfpo { get; init; } = new();

    /// <summary>PPO's switches.</summary>
    public PpoOptions Ppo { get; init; } = new();

    /// <summary>NLPO's switches.</summary>
    public NlpoOptions Nlpo { get; init; } = new();

    /// <summary>A2C's switches.</summary>
    public A2cOptions A2c { get; init; } = new();

    /// <summary>TRPO's switches.</summary>
    public TrpoOptions Trpo { get; init; } = new();

    /// <summary>GRPO's switches.</summary>
    public GrpoOptions Grpo { get; init; } = new();

    /// <summary>RLOO's switches.</summary>
    public RlooOptions Rloo { get; init; } = new();

    /// <summary>REINFORCE++'s switches.</summary>
    public ReinforcePlusPlusOptions ReinforcePlusPlus { get; init; } = new();

    /// <summary>DPO's switches.</summary>
    public DpoOptions Dpo { get; init; } = new();

    /// <summary>KTO's own hyper-parameters.</summary>
    public KtoOptions Kto { get; init; } = new();

    /// <summary>Switches of PPO with a supervised term.</summary>
    public PpoSupervisedOptions PpoSupervised { get; init; } = new();

    /// <summary>The clip range on both sides.</summary>
    internal ClipRange Clip => new(ClipRange, ClipRangeHigh > 0 ? ClipRangeHigh : ClipRange);

    /// <summary>Checks every field.</summary>
    /// <exception cref="DfpoException"><c>learner/options</c>, naming the field.</exception>
    public LearnerOptions Checked()
    {
        OptionSchema.Check(this, "learner/options");
        foreach (var rule in Rules().Concat(Sections().SelectMany(section => section.Options.Rules)))
            if (!rule.Holds)
                throw new DfpoException("learner/options", $"Option '{rule.Field}' must be {rule.MustBe}.");
        return this;
    }

    /// <summary>The update rules' own sections, by the names of their properties.</summary>
    internal IEnumerable<(string Name, IObjectiveOptions Options)> Sections() =>
        typeof(LearnerOptions)
            .GetProperties()
            .Where(p => p.PropertyType.IsAssignableTo(typeof(IObjectiveOptions)))
            .Select(p => (p.Name, (IObjectiveOptions)p.GetValue(this)!));

    private IEnumerable<OptionRule> Rules() =>
        [
            new(
                Advantages == AdvantageKind.Default || ObjectiveRegistry.TakesAdvantages(Objective),
                "advantages",
                "default with an objective that has advantages of its own, or none (grpo, rloo, reinforce-plus-plus, dpo, supervised)"
            ),
            new(
                SamplesPerPrompt == 0 || ObjectiveRegistry.TakesAdvantages(Objective),
                "samples-per-prompt",
                "0 with an objective that has a key of its own for it, or none: grpo.samples-per-prompt, rloo.samples-per-prompt, dpo.samples-per-prompt"
            ),
            new(
                SamplesPerPrompt != 1 || Advantages is not (AdvantageKind.Group or AdvantageKind.Rloo),
                "samples-per-prompt",
                "at least 2 with advantages that compare a prompt's continuations (group, rloo)"
            ),
            new(
                Objective != ObjectiveKind.Dfpo
                    || Dfpo.Value == DfpoValue.Single
                    || Advantages is AdvantageKind.Default or AdvantageKind.Gae,
                "dfpo.value",
                "single with advantages that need no value model"
            ),
            new(ScheduleSteps == 0 || ScheduleSteps > WarmupSteps, "schedule-steps", "greater than 'warmup-steps'"),
            new(MinLearningRateRatio == 0 || Schedule == ScheduleKind.Cosine, "min-learning-rate-ratio", "0 unless 'schedule' is cosine"),
            new(
                Objective != ObjectiveKind.Trpo || (Schedule == ScheduleKind.Constant && WarmupSteps == 0),
                "schedule",
                "constant, without warm-up steps, with trpo, whose steps have no learning rate"
            ),
            new(
                ClipRangeHigh > 0 || Objective != ObjectiveKind.Grpo || Grpo.LossType != GrpoLossType.Cispo,
                "clip-range-high",
                "greater than 0 with 'grpo.loss-type' cispo: it is the cap of the ratio"
            ),
            new(
                !RecomputeActivations || Objective != ObjectiveKind.Trpo,
                "recompute-activations",
                "false with trpo, which differentiates twice"
            ),
        ];
}
