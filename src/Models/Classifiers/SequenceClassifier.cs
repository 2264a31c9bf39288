using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Classifiers;

/// <summary>A model that gives a text scores for its labels: what rewards and training need to know of any architecture.</summary>
/// <param name="name">Module name.</param>
public abstract class SequenceClassifier(string name) : nn.Module(name)
{
    /// <summary>Names of the classes by id, from <c>id2label</c>.</summary>
    public abstract IReadOnlyList<string> Labels { get; }

    /// <summary>Rows of the embedding.</summary>
    public abstract int VocabularySize { get; }

    /// <summary>Longest input, in tokens, special ones included.</summary>
    public abstract int MaxTokens { get; }

    /// <summary>
    /// Whether each label is judged by itself (<c>problem_type</c> is <c>multi_label_classification</c>, or there is one label only).
    /// </summary>
    public virtual bool IsMultiLabel => false;

    /// <summary>Matrix-product precision of the body; the head always works in the parameters' dtype.</summary>
    public ComputePrecision Precision { get; } = new();

    /// <summary>Draws fresh weights from a seed.</summary>
    public abstract void Initialise(ulong seed);

    /// <summary>Class scores before softmax or sigmoid.</summary>
    /// <param name="inputIds">Right-padded token ids <c>[batch, time]</c>, int64; what stands in the padding does not matter as long as it
    /// is within the vocabulary.</param>
    /// <param name="lengths">Real tokens of each row <c>[batch]</c>, int64, at least 1.</param>
    /// <returns><c>[batch, labels]</c>.</returns>
    /// <exception cref="DfpoException"><c>model/too-long</c>: there are more tokens than positions.</exception>
    public abstract Tensor Logits(Tensor inputIds, Tensor lengths);

    /// <summary>
    /// What logits <c>[..., labels]</c> say in probabilities, float32: they sum to 1 over the labels unless <see cref="IsMultiLabel"/>.
    /// </summary>
    public Tensor Probabilities(Tensor logits)
    {
        using var scope = NewDisposeScope();
        var exact = logits.to(ScalarType.Float32);
        return (IsMultiLabel ? exact.sigmoid() : exact.softmax(-1)).MoveToOuterDisposeScope();
    }
}
