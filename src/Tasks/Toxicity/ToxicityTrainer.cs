using DfPO.Models;

namespace DfPO.Tasks.Toxicity;

/// <summary>A text and its toxicity, in [0, 1].</summary>
public sealed record ScoredText(string Text, float Toxicity);

/// <summary>How the regressor is trained.</summary>
public sealed record ToxicityTraining
{
    /// <summary>Size of the hash table, a power of two.</summary>
    public int Buckets { get; init; } = 1 << 18;

    /// <summary>Passes over the texts.</summary>
    public int Epochs { get; init; } = 12;

    /// <summary>Step of AdaGrad.</summary>
    public float LearningRate { get; init; } = 0.3f;

    /// <summary>Weight decay per step on the weights that a text touches.</summary>
    public float Decay { get; init; } = 1e-4f;

    /// <summary>Seed of the order of the texts.</summary>
    public ulong Seed { get; init; } = 42;
}

/// <summary>
/// Trains the regressor: logistic regression on soft targets by AdaGrad, one text at a time, on one thread, so the same texts give the same
/// bits.
/// </summary>
public static class ToxicityTrainer
{
    /// <summary>Trains on texts.</summary>
    /// <exception cref="DfpoException"><c>toxicity/training</c>: no text, a toxicity outside [0, 1], or options that make no
    /// sense.</exception>
    public static ToxicityRegressor Train(IReadOnlyList<ScoredText> texts, ToxicityTraining? options = null)
    {
        options ??= new ToxicityTraining();
        Check(texts, options);
        var features = texts.Select(text => HashedNgrams.Of(text.Text, options.Buckets)).ToArray();
        var (weights, squares) = (new float[options.Buckets], new float[options.Buckets]);
        var (bias, biasSquares) = (0f, 0f);
        for (var epoch = 0; epoch < options.Epochs; epoch++)
            foreach (var index in CounterRandom.Permutation(texts.Count, options.Seed + (ulong)epoch))
            {
                var (buckets, values) = features[index];
                var logit = bias;
                for (var i = 0; i < buckets.Length; i++)
                    logit += weights[buckets[i]] * values[i];
                // Gradient of the cross-entropy against a soft target.
                var error = 1 / (1 + MathF.Exp(-logit)) - texts[index].Toxicity;
                biasSquares += error * error;
                bias -= options.LearningRate * error / MathF.Sqrt(biasSquares + 1e-8f);
                for (var i = 0; i < buckets.Length; i++)
                {
                    var bucket = buckets[i];
                    var gradient = error * values[i] + options.Decay * weights[bucket];
                    squares[bucket] += gradient * gradient;
                    weights[bucket] -= options.LearningRate * gradient / MathF.Sqrt(squares[bucket] + 1e-8f);
                }
            }
        return ToxicityRegressor.FromWeights(weights, bias);
    }

    private static void Check(IReadOnlyList<ScoredText> texts, ToxicityTraining options)
    {
        var problem =
            texts.Count == 0 ? "there is no text to train on"
            : texts.FirstOrDefault(text => text.Toxicity is not (>= 0 and <= 1)) is { } wrong
                ? $"a toxicity is {wrong.Toxicity} but must lie between 0 and 1"
            : options.Buckets < 2 || !int.IsPow2(options.Buckets) ? $"buckets are {options.Buckets} but must be a power of two"
            : options is not { Epochs: >= 1, LearningRate: > 0, Decay: >= 0 }
                ? "epochs and learning rate must be over 0 and decay not negative"
            : null;
        if (problem is not null)
            throw new DfpoException("toxicity/training", $"Toxicity regressor: {problem}.");
    }
}
