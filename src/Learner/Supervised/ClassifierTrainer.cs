using DfPO.Models;
using DfPO.Models.Classifiers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Supervised;

/// <summary>A classifier's example: token ids (at least one, none of them special) and the index of the class.</summary>
public sealed record LabeledTokens(int[] Tokens, int Label);

/// <summary>The special tokens that a classifier's input gets.</summary>
/// <param name="Count">How many.</param>
/// <param name="Surround">Puts them around ids.</param>
public sealed record InputFrame(int Count, Func<int[], int[]> Surround)
{
    /// <summary>None.</summary>
    public static readonly InputFrame None = new(0, ids => ids);
}

/// <summary>Cross-entropy training of a sequence classifier.</summary>
public static class ClassifierTrainer
{
    /// <summary>Shortest crop of a text that training sees, in tokens: rewards are asked about snippets as well as whole texts.</summary>
    private const int ShortestCrop = 24;

    /// <summary>Trains to the end of the schedule; see <see cref="LanguageModelTrainer.Train"/> for checkpoints and cancellation.</summary>
    /// <remarks>
    /// Every second example is a random crop of its text, so that short texts are scored well too; the others keep their last
    /// <see cref="SupervisedOptions.BlockSize"/> tokens.
    /// </remarks>
    /// <exception cref="DfpoException"><c>train/options</c>, <c>train/data</c> or <c>train/resume</c>.</exception>
    public static void Train(
        SequenceClassifier model,
        IReadOnlyList<LabeledTokens> train,
        IReadOnlyList<LabeledTokens> heldOut,
        SupervisedOptions options,
        InputFrame frame,
        string checkpoint,
        Action<TrainingProgress> report,
        CancellationToken cancellation
    )
    {
        options.Checked();
        if (options.BlockSize > model.MaxTokens)
            throw new DfpoException(
                "train/options",
                $"Training option 'block-size' is {options.BlockSize} but the model has {model.MaxTokens} positions."
            );
        if (options.BlockSize <= frame.Count)
            throw new DfpoException(
                "train/options",
                $"Training option 'block-size' is {options.BlockSize} but must be above the {frame.Count} special tokens of an input."
            );
        if (train.Count == 0 || heldOut.Count == 0)
            throw new DfpoException("train/data", "The training or the held-out part has no text.");
        model.Precision.MatmulDtype = options.Bf16 ? ScalarType.BFloat16 : null;
        var order = new EpochOrder(train.Count, options.Seed);
        SupervisedTrainer.Run(
            model,
            options,
            checkpoint,
            step => Backward(model, train, order, options, frame, step),
            () => Accuracy(model, heldOut, options.BlockSize, frame),
            report,
            cancellation
        );
        model.Precision.MatmulDtype = null;
    }

    /// <summary>Share of examples whose most likely class is right; each keeps its last <paramref name="blockSize"/> tokens.</summary>
    public static double Accuracy(SequenceClassifier model, IReadOnlyList<LabeledTokens> examples, int blockSize, InputFrame frame)
    {
        using var _ = no_grad();
        var right = 0L;
        foreach (var chunk in examples.OrderBy(example => example.Tokens.Length).Chunk(32))
        {
            using var scope = NewDisposeScope();
            var (logits, labels) = Forward(
                model,
                [.. chunk.Select(example => (frame.Surround(Tail(example.Tokens, blockSize - frame.Count)), example.Label))]
            );
            right += logits.argmax(1).eq(labels).sum().item<long>();
        }
        return right / (double)examples.Count;
    }

    private static (double, long) Backward(
        SequenceClassifier model,
        IReadOnlyList<LabeledTokens> train,
        EpochOrder order,
        SupervisedOptions options,
        InputFrame frame,
        int step
    )
    {
        var batch = new (int[] Tokens, int Label)[options.BatchSize];
        for (var row = 0; row < batch.Length; row++)
        {
            var draw = (ulong)step * (ulong)options.BatchSize + (ulong)row;
            var example = train[order[draw]];
            batch[row] = (
                frame.Surround(
                    row % 2 == 0 ? Tail(example.Tokens, options.BlockSize - frame.Count) : Crop(example.Tokens, options, frame, draw)
                ),
                example.Label
            );
        }
        var (logits, labels) = Forward(model, batch);
        var loss = nn.functional.cross_entropy(logits.to(ScalarType.Float32), labels);
        loss.backward();
        return (loss.item<float>(), batch.Sum(b => (long)b.Tokens.Length));
    }

    private static int[] Tail(int[] tokens, int length) => tokens.Length <= length ? tokens : tokens[^length..];

    private static int[] Crop(int[] tokens, SupervisedOptions options, InputFrame frame, ulong draw)
    {
        var longest = Math.Min(tokens.Length, options.BlockSize - frame.Count);
        if (longest <= ShortestCrop)
            return Tail(tokens, options.BlockSize - frame.Count);
        var length = ShortestCrop + (int)(CounterRandom.Uniform(options.Seed ^ 0x5EED, 2 * draw) * (Math.Min(longest, 96) - ShortestCrop));
        var start = (int)(CounterRandom.Uniform(options.Seed ^ 0x5EED, 2 * draw + 1) * (tokens.Length - length));
        return tokens[start..(start + length)];
    }

    private static (Tensor Logits, Tensor Labels) Forward(SequenceClassifier model, (int[] Tokens, int Label)[] batch)
    {
        var time = batch.Max(row => row.Tokens.Length);
        var ids = new long[batch.Length * time];
        for (var row = 0; row < batch.Length; row++)
            for (var t = 0; t < batch[row].Tokens.Length; t++)
                ids[row * time + t] = batch[row].Tokens[t];
        var device = model.parameters().First().device;
        var lengths = tensor(batch.Select(row => (long)row.Tokens.Length).ToArray(), device: device);
        return (
            model.Logits(tensor(ids, [batch.Length, time], device: device), lengths),
            tensor(batch.Select(row => (long)row.Label).ToArray(), device: device)
        );
    }
}
