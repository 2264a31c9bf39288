using DfPO.Models.Classifiers;
using static TorchSharp.torch;

namespace DfPO.Learner.Supervised;

/// <summary>Passes of a sequence classifier over texts of different lengths.</summary>
public static class ClassifierBatch
{
    private const int RowsOfPass = 32;

    /// <summary>Class scores of texts as their rows: right-padded to the longest.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="inputs">Token ids with special tokens, at least one each.</param>
    /// <returns><c>[texts, labels]</c>.</returns>
    public static Tensor Logits(SequenceClassifier model, IReadOnlyList<int[]> inputs)
    {
        using var scope = NewDisposeScope();
        var time = inputs.Max(input => input.Length);
        var ids = new long[inputs.Count * time];
        foreach (var (row, input) in inputs.Index())
            for (var t = 0; t < input.Length; t++)
                ids[(row * time) + t] = input[t];
        var device = model.parameters().First().device;
        var lengths = tensor(inputs.Select(input => (long)input.Length).ToArray(), device: device);
        return model.Logits(tensor(ids, [inputs.Count, time], device: device), lengths).MoveToOuterDisposeScope();
    }

    /// <summary>Class scores of any number of texts, without a gradient; neighbours in length share a pass.</summary>
    /// <returns>A row of scores for each text, in the order of the texts.</returns>
    public static float[][] Scores(SequenceClassifier model, IReadOnlyList<int[]> inputs, Func<Tensor, Tensor>? of = null)
    {
        using var _ = no_grad();
        var scores = new float[inputs.Count][];
        foreach (var rows in Enumerable.Range(0, inputs.Count).OrderBy(row => inputs[row].Length).Chunk(RowsOfPass))
        {
            using var scope = NewDisposeScope();
            var logits = Logits(model, [.. rows.Select(row => inputs[row])]);
            var values = (of?.Invoke(logits) ?? logits).to(ScalarType.Float32).cpu().contiguous().data<float>().ToArray();
            foreach (var (index, row) in rows.Index())
                scores[row] = values[(index * model.Labels.Count)..((index + 1) * model.Labels.Count)];
        }
        return scores;
    }

    /// <summary>Passes with little padding: numbers of items, neighbours in length together.</summary>
    internal static IEnumerable<int[]> Passes(IReadOnlyList<int> lengths, int most) =>
        Enumerable.Range(0, lengths.Count).OrderBy(item => lengths[item]).Chunk(most);

    /// <summary>Refuses blocks that the model has no positions for.</summary>
    internal static void CheckBlock(SequenceClassifier model, SupervisedOptions options)
    {
        if (options.BlockSize > model.MaxTokens)
            throw new Models.DfpoException(
                "train/options",
                $"Training option 'block-size' is {options.BlockSize} but the model has {model.MaxTokens} positions."
            );
    }
}
