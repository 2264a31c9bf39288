using DfPO.Learner.Advantages;
using DfPO.Learner.Guards;
using DfPO.Learner.Objectives;
using DfPO.Models;

namespace DfPO.Learner;

/// <summary>Hyper-parameters of the learner; the defaults are the paper's where it states them.</summary>
public sealed record LearnerOptions
{
    /// <summary>The update rule.</summary>
    public ObjectiveKind Objective { get; init; } = ObjectiveKind.Dfpo;

    /// <summary>AdamW's learning rate (paper: 1e-5).</summary>
    public double LearningRate { get; init; } = 1e-5;

    /// <summary>Learning rate of the value model; 0 takes <see cref="LearningRate"/>.</summary>
    public double ValueLearningRate { get; init; }

    /// <summary>Decoupled weight decay of matrices.</summary>
    public double WeightDecay { get; init; } = 1e-6;

    /// <summary>Discount (paper: 0.99), in (0, 1].</summary>
    public double Gamma { get; init; } = 0.99;

    /// <summary>GAE's lambda (paper: 0.95), in [0, 1].</summary>
    public double Lambda { get; init; } = 0.95;

    /// <summary>PPO's clip range epsilon: how far a ratio may fall under 1.</summary>
    public double ClipRange { get; init; } = 0.2;

    /// <summary>How far a ratio may rise above 1 ("clip-higher", TRL's epsilon_high); 0 takes <see cref="ClipRange"/>. With <c>grpo.loss-type</c> cispo the cap of the ratio itself.</summary>
    public double ClipRangeHigh { get; init; }

    /// <summary>Passes over the batch.</summary>
    public int Epochs { get; init; } = 5;

    /// <summary>Sequences a minibatch (paper: 16); must divide the sequences of an iteration.</summary>
    public int MinibatchSize { get; init; } = 16;

    /// <summary>Sequences that a model works on at a time, so that a minibatch need not fit into memory at once; 0 means the whole minibatch. The step is the same up to rounding.</summary>
    public int MicrobatchSize { get; init; }

    /// <summary>Tokens whose logits are held at a time; 0 holds a micro-batch's. With a limit the head runs twice, and no <c>[tokens, vocabulary]</c> array is ever held.</summary>
    public int HeadChunkTokens { get; init; }

    /// <summary>Weight of the value loss.</summary>
    public double ValueCoefficient { get; init; } = 0.5;

    /// <summary>How far a value may gain from moving away from where it was before the update (PPO's value clipping); 0 for no bound.</summary>
    public double ValueClipRange { get; init; }

    /// <summary>Weight of an entropy bonus, the policy's mean entropy a token, beside the objective's own loss; for objectives that leave the step to AdamW.</summary>
    public double EntropyCoefficient { get; init; }

    /// <summary>Bound on the global norm of the gradient of policy and value together.</summary>
    public double MaxGradNorm { get; init; } = 0.5;

    /// <summary>First iterations in which only the value model learns: before it knows the mean reward, every advantage has the same sign.</summary>
    public int ValueWarmupIterations { get; init; }

    /// <summary>
    /// What weighs a rollout's tokens by <c>min(pi_learner / pi_rollout, c)</c>, both before the update: the engine computes the same policy by other kernels, maybe in another precision, and in
    /// asynchronous runs with older weights. Ratios, masks and distances from the reference are the learner's own either way.
    /// </summary>
    public RolloutCorrection RolloutCorrection { get; init; } = RolloutCorrection.Token;

    /// <summary>Bound c of that weight, greater than 0 (2 in verl; Espeholt et al. 2018).</summary>
    public double ImportanceTruncation { get; init; } = 2;

    /// <summary>Guard: the highest mean KL a token of the rollouts, nats; see <see cref="GuardOptions.ExplodingKl"/>.</summary>
    public double MaxKl { get; init; } = 10;

    /// <summary>Whether matrix products run in bfloat16 (float32 weights and optimiser).</summary>
    public bool Bf16 { get; init; }

    /// <summary>Whether blocks keep only their inputs for the gradient and compute the rest again on the way back: less memory, a third more arithmetic, the same step up to rounding.</summary>
    public bool RecomputeActivations { get; init; }

    /// <summary>Whether AdamW's moments live in the host's memory, where the steps are then taken, while the models are on another device.</summary>
    public bool OffloadOptimizer { get; init; }

    /// <summary>Alarms.</summary>
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

    /// <summary>Switches of PPO with a supervised term.</summary>
    public PpoSupervisedOptions PpoSupervised { get; init; } = new();

    /// <summary>The clip range on both sides.</summary>
    internal ClipRange Clip => new(ClipRange, ClipRangeHigh > 0 ? ClipRangeHigh : ClipRange);

    /// <summary>Checks every field.</summary>
    /// <exception cref="DfpoException"><c>learner/options</c>, naming the field.</exception>
    public LearnerOptions Checked()
    {
        foreach (var rule in Rules().Concat(Sections().SelectMany(section => section.Options.Rules)).Concat(Guards.Rules))
            if (!rule.Holds)
                throw new DfpoException("learner/options", $"Learner option '{rule.Field}' must be {rule.MustBe}.");
        return this;
    }

    /// <summary>The update rules' own sections, by the names of their properties.</summary>
    internal IEnumerable<(string Name, IObjectiveOptions Options)> Sections() =>
        typeof(LearnerOptions).GetProperties().Where(p => p.PropertyType.IsAssignableTo(typeof(IObjectiveOptions))).Select(p => (p.Name, (IObjectiveOptions)p.GetValue(this)!));

    private IEnumerable<OptionRule> Rules() =>
    [
        new(Enum.IsDefined(Objective), "objective", "one of the update rules"),
        OptionRule.Positive(LearningRate, "learning-rate"),
        OptionRule.NotNegative(ValueLearningRate, "value-learning-rate", " (0 takes learning-rate)"),
        OptionRule.NotNegative(WeightDecay, "weight-decay"),
        new(Gamma is > 0 and <= 1, "gamma", "greater than 0 and at most 1"),
        OptionRule.UnitInterval(Lambda, "lambda"),
        OptionRule.Positive(ClipRange, "clip-range"),
        OptionRule.NotNegative(ClipRangeHigh, "clip-range-high", " (0 takes clip-range)"),
        new(ClipRangeHigh > 0 || Objective != ObjectiveKind.Grpo || Grpo.LossType != GrpoLossType.Cispo, "clip-range-high", "greater than 0 with 'grpo.loss-type' cispo: it is the cap of the ratio"),
        OptionRule.AtLeast(1, Epochs, "epochs"),
        OptionRule.AtLeast(1, MinibatchSize, "minibatch-size"),
        OptionRule.AtLeast(0, MicrobatchSize, "microbatch-size", " (0 takes the whole minibatch)"),
        new(!RecomputeActivations || Objective != ObjectiveKind.Trpo, "recompute-activations", "false with trpo, which differentiates twice"),
        OptionRule.AtLeast(0, HeadChunkTokens, "head-chunk-tokens", " (0 takes a whole micro-batch)"),
        OptionRule.NotNegative(ValueCoefficient, "value-coefficient"),
        OptionRule.NotNegative(ValueClipRange, "value-clip-range", " (0 for no bound)"),
        OptionRule.NotNegative(EntropyCoefficient, "entropy-coefficient"),
        OptionRule.Positive(MaxGradNorm, "max-grad-norm"),
        OptionRule.AtLeast(0, ValueWarmupIterations, "value-warmup-iterations"),
        OptionRule.Positive(ImportanceTruncation, "importance-truncation"),
        OptionRule.Positive(MaxKl, "max-kl"),
    ];
}
