using DfPO.Learner.Objectives;
using DfPO.Models;

namespace DfPO.Learner;

/// <summary>The update rules.</summary>
public enum ObjectiveKind
{
    /// <summary>Degeneration-free policy optimisation.</summary>
    Dfpo,

    /// <summary>Proximal policy optimisation with a KL penalty.</summary>
    Ppo,
}

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

    /// <summary>PPO's clip range epsilon.</summary>
    public double ClipRange { get; init; } = 0.2;

    /// <summary>Passes over the batch.</summary>
    public int Epochs { get; init; } = 5;

    /// <summary>Sequences a minibatch (paper: 16); must divide the sequences of an iteration.</summary>
    public int MinibatchSize { get; init; } = 16;

    /// <summary>Weight of the value loss.</summary>
    public double ValueCoefficient { get; init; } = 0.5;

    /// <summary>Bound on the global norm of the gradient of policy and value together.</summary>
    public double MaxGradNorm { get; init; } = 0.5;

    /// <summary>First iterations in which only the value model learns: before it knows the mean reward, every advantage has the same sign.</summary>
    public int ValueWarmupIterations { get; init; }

    /// <summary>Guard: the run stops when the rollouts' mean KL a token exceeds this, nats.</summary>
    public double MaxKl { get; init; } = 10;

    /// <summary>Whether matrix products run in bfloat16 (float32 weights and optimiser).</summary>
    public bool Bf16 { get; init; }

    /// <summary>DfPO's switches.</summary>
    public DfpoOptions Dfpo { get; init; } = new();

    /// <summary>PPO's switches.</summary>
    public PpoOptions Ppo { get; init; } = new();

    /// <summary>Checks every field.</summary>
    /// <exception cref="DfpoException"><c>learner/options</c>, naming the field.</exception>
    public LearnerOptions Checked()
    {
        static void Require(bool holds, string field, string rule)
        {
            if (!holds)
                throw new DfpoException("learner/options", $"Learner option '{field}' must be {rule}.");
        }
        static bool Positive(double x) => double.IsFinite(x) && x > 0;
        static bool NotNegative(double x) => double.IsFinite(x) && x >= 0;
        Require(Enum.IsDefined(Objective), "objective", "dfpo or ppo");
        Require(Positive(LearningRate), "learning-rate", "greater than 0");
        Require(NotNegative(ValueLearningRate), "value-learning-rate", "at least 0 (0 takes learning-rate)");
        Require(NotNegative(WeightDecay), "weight-decay", "at least 0");
        Require(Gamma is > 0 and <= 1, "gamma", "greater than 0 and at most 1");
        Require(Lambda is >= 0 and <= 1, "lambda", "between 0 and 1");
        Require(Positive(ClipRange), "clip-range", "greater than 0");
        Require(Epochs >= 1, "epochs", "at least 1");
        Require(MinibatchSize >= 1, "minibatch-size", "at least 1");
        Require(NotNegative(ValueCoefficient), "value-coefficient", "at least 0");
        Require(Positive(MaxGradNorm), "max-grad-norm", "greater than 0");
        Require(ValueWarmupIterations >= 0, "value-warmup-iterations", "at least 0");
        Require(Positive(MaxKl), "max-kl", "greater than 0");
        Require(float.IsFinite(Dfpo.Tolerance) && Dfpo.Tolerance >= 0, "dfpo.tolerance", "at least 0");
        Require(Dfpo.Value == DfpoValue.Single || Dfpo.Behaviour == DfpoBehaviour.Masked, "dfpo.value", "single unless 'dfpo.behaviour' is masked: the second head is for samples of pi-");
        Require(NotNegative(Ppo.KlCoefficient), "ppo.kl-coefficient", "at least 0");
        Require(NotNegative(Ppo.TargetKl), "ppo.target-kl", "at least 0 (0 keeps the coefficient fixed)");
        return this;
    }
}
