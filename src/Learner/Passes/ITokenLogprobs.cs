using static TorchSharp.torch;

namespace DfPO.Learner.Passes;

/// <summary>Log-probabilities of given tokens, and the way back through them into the model.</summary>
internal interface ITokenLogprobs
{
    /// <summary><c>[tokens]</c>, float32 nats: a leaf.</summary>
    Tensor Values { get; }

    /// <summary>Sum of the softmaxes' entropies, nats, if asked for.</summary>
    double? SummedEntropy { get; }

    /// <summary>What the reference model says of the same tokens, if it was given.</summary>
    ReferenceScores? Reference { get; }

    /// <summary>Carries gradients on into the model's parameters. Once only.</summary>
    /// <param name="valuesGradient">Of a loss by <see cref="Values"/>.</param>
    /// <param name="entropyGradient">Of the loss by the sum of the softmaxes' entropies.</param>
    void Backward(Tensor valuesGradient, double entropyGradient = 0);
}
