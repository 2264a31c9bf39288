using DfPO.Models;
using DfPO.Models.Classifiers;
using DfPO.Models.Tokenizers;
using DfPO.Tasks.Prompts;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Tasks.Rewards;

/// <summary>What a classifier's judgement is read as.</summary>
public enum ClassifierOutput
{
    /// <summary>Probability of the label, 0 to 1.</summary>
    Probability,

    /// <summary>The score itself, before softmax or sigmoid: any number. What a reward model trained on preferences gives.</summary>
    Score,
}

/// <summary>
/// The probability that a sequence classifier gives to one of its labels, or its score, for prompt and continuation read as one text.
/// </summary>
/// <remarks>Of a text longer than the classifier's positions the last tokens count. The reward of RL4LMs' text continuation task.</remarks>
public sealed class ClassifierReward : IReward
{
    private readonly SequenceClassifier _model;
    private readonly TextTokenizer _tokenizer;
    private readonly int _label;
    private readonly ClassifierOutput _output;
    private readonly int _batchSize;

    private ClassifierReward(SequenceClassifier model, TextTokenizer tokenizer, int label, ClassifierOutput output, int batchSize) =>
        (_model, _tokenizer, _label, _output, _batchSize) = (model, tokenizer, label, output, batchSize);

    /// <summary>Loads classifier and tokenizer from a checkpoint folder.</summary>
    /// <param name="folder">Holds <c>config.json</c>, the weights and the tokenizer's files.</param>
    /// <param name="label">One of the names in the configuration's <c>id2label</c>.</param>
    /// <param name="device">Where the classifier runs; CPU when null.</param>
    /// <param name="output">What the reward is.</param>
    /// <param name="bf16">Whether its matrix products are taken in bfloat16; weights and scores stay float32.</param>
    /// <param name="batchSize">Most texts of one pass, at least 1.</param>
    /// <exception cref="DfpoException"><c>reward/label</c>: the classifier knows no such label; or what loading a model or tokenizer
    /// gives.</exception>
    public static ClassifierReward Load(
        string folder,
        string label,
        Device? device = null,
        ClassifierOutput output = ClassifierOutput.Probability,
        bool bf16 = false,
        int batchSize = 32
    )
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        var labels = PretrainedModels.ReadLabels(folder);
        var id = labels.ToList().IndexOf(label);
        if (id < 0)
            throw new DfpoException(
                "reward/label",
                $"The classifier '{folder}' has no label '{label}': {(labels.Count == 0 ? "its config.json has no id2label" : $"choose one of '{string.Join("', '", labels)}'")}."
            );
        var tokenizer = TextTokenizer.Load(folder);
        var model = PretrainedModels.LoadSequenceClassifier(folder, device);
        try
        {
            tokenizer.CheckFits(model.VocabularySize);
            model.Precision.MatmulDtype = bf16 ? ScalarType.BFloat16 : null;
            return new ClassifierReward(model, tokenizer, id, output, batchSize);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<float> Score(IReadOnlyList<PromptContinuation> texts)
    {
        using var _ = no_grad();
        int[][] tokens = [.. texts.Select(Tokens)];
        var scores = new float[texts.Count];
        // Neighbours in length share a batch, so that little of it is padding.
        foreach (var rows in Enumerable.Range(0, texts.Count).OrderBy(row => tokens[row].Length).Chunk(_batchSize))
            foreach (var (row, probability) in rows.Zip(Probabilities([.. rows.Select(row => tokens[row])])))
                scores[row] = float.IsFinite(probability)
                    ? probability
                    : throw new DfpoException(
                        "reward/not-finite",
                        $"The classifier '{_tokenizer.Folder}' gave {probability} for text {row} of the batch: check its weights."
                    );
        return scores;
    }

    /// <inheritdoc/>
    public void Dispose() => _model.Dispose();

    /// <summary>A text as a classifier reads it: with special tokens, without its beginning where it is too long.</summary>
    /// <param name="tokenizer">The classifier's.</param>
    /// <param name="text">Any text.</param>
    /// <param name="longest">Most tokens, special ones included.</param>
    public static int[] Encode(TextTokenizer tokenizer, string text, int longest)
    {
        var tokens = tokenizer.EncodeInput(text, longest);
        // A classifier needs something to read, even of an empty text.
        return tokens.Length == 0 ? [tokenizer.EosTokenId] : tokens;
    }

    private int[] Tokens(PromptContinuation text) => Encode(_tokenizer, text.Prompt + text.Continuation, _model.MaxTokens);

    private float[] Probabilities(int[][] batch)
    {
        using var scope = NewDisposeScope();
        var time = batch[^1].Length;
        var ids = new long[batch.Length * time];
        foreach (var (row, tokens) in batch.Index())
            for (var t = 0; t < tokens.Length; t++)
                ids[row * time + t] = tokens[t];
        var device = _model.parameters().First().device;
        var lengths = tensor(batch.Select(tokens => (long)tokens.Length).ToArray(), device: device);
        var logits = _model.Logits(tensor(ids, [batch.Length, time], device: device), lengths);
        var values = _output == ClassifierOutput.Score ? logits.to(ScalarType.Float32) : _model.Probabilities(logits);
        return values.select(1, _label).cpu().contiguous().data<float>().ToArray();
    }
}
