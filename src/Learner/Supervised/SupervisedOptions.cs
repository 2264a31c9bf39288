using System.Text.Json.Serialization;
using DfPO.Models;

namespace DfPO.Learner.Supervised;

/// <summary>Hyper-parameters of supervised training.</summary>
public sealed record SupervisedOptions
{
    /// <summary>Optimiser steps in all.</summary>
    public int Steps { get; init; } = 1000;

    /// <summary>Sequences a step.</summary>
    public int BatchSize { get; init; } = 32;

    /// <summary>Tokens a sequence, at most the model's positions.</summary>
    public int BlockSize { get; init; } = 256;

    /// <summary>Highest learning rate.</summary>
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>Steps of linear warm-up.</summary>
    public int WarmupSteps { get; init; } = 100;

    /// <summary>Decoupled weight decay of matrices; biases and norms have none.</summary>
    public double WeightDecay { get; init; } = 0.01;

    /// <summary>Bound on the global norm of the gradient.</summary>
    public double MaxGradNorm { get; init; } = 1;

    /// <summary>Seed of fresh weights and of the order of the data.</summary>
    public ulong Seed { get; init; } = 42;

    /// <summary>Steps between held-out evaluations, which also write a checkpoint.</summary>
    public int EvaluateEvery { get; init; } = 250;

    /// <summary>Whether matrix products run in bfloat16 (float32 weights and optimiser).</summary>
    public bool Bf16 { get; init; }

    /// <summary>
    /// How examples are made of the data, in any words: a training is only resumed with the same. Null where there is nothing to say.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Examples { get; init; }

    /// <summary>Checks every field.</summary>
    /// <exception cref="DfpoException"><c>train/options</c>, naming the field.</exception>
    public SupervisedOptions Checked()
    {
        foreach (
            var (field, value) in new[]
            {
                ("steps", Steps),
                ("batch-size", BatchSize),
                ("block-size", BlockSize),
                ("evaluate-every", EvaluateEvery),
            }
        )
            if (value < 1)
                throw new DfpoException("train/options", $"Training option '{field}' is {value} but must be at least 1.");
        if (!(LearningRate > 0) || !(MaxGradNorm > 0) || WarmupSteps < 0 || !(WeightDecay >= 0))
            throw new DfpoException(
                "train/options",
                "Training options 'learning-rate' and 'max-grad-norm' must be greater than 0, 'warmup-steps' and 'weight-decay' at least 0."
            );
        return this;
    }
}
