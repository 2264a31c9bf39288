using DfPO.Models;
using DfPO.Models.Classifiers;
using DfPO.Models.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Supervised;

/// <summary>A classifier's example: token ids with special tokens (at least one) and the index of the class.</summary>
public sealed record LabeledTokens(int[] Tokens, int Label);

/// <summary>Cross-entropy training of a sequence classifier.</summary>
public static class ClassifierTrainer
{
    // Texts of one length or nearly so share a pass: whole texts beside short pieces would be mostly padding.
    private const int RowsOfPass = 8;

    /// <summary>Trains to the end of the schedule; see <see cref="LanguageModelTrainer.Train"/> for checkpoints and cancellation.</summary>
    /// <param name="model">Trained in place.</param>
    /// <param name="draw">The example of a draw, the same whenever asked; at most <see cref="SupervisedOptions.BlockSize"/> tokens.</param>
    /// <param name="heldOut">Examples that the accuracy between steps is of, at least one.</param>
    /// <param name="options">Hyper-parameters.</param>
    /// <param name="checkpoint">Folder of the resumable state.</param>
    /// <param name="report">Receives progress; its held-out figure is the accuracy.</param>
    /// <param name="cancellation">Stops after the step in hand, leaving a checkpoint.</param>
    /// <exception cref="DfpoException"><c>train/options</c>, <c>train/data</c> or <c>train/resume</c>.</exception>
    public static void Train(
        SequenceClassifier model,
        Func<ulong, LabeledTokens> draw,
        IReadOnlyList<LabeledTokens> heldOut,
        SupervisedOptions options,
        string checkpoint,
        Action<TrainingProgress> report,
        CancellationToken cancellation
    )
    {
        ClassifierBatch.CheckBlock(model, options.Checked());
        if (heldOut.Count == 0)
            throw new DfpoException("train/data", "The held-out part has no text.");
        model.Precision.MatmulDtype = options.Bf16 ? ScalarType.BFloat16 : null;
        SupervisedTrainer.Run(
            model,
            options,
            checkpoint,
            step => Backward(model, draw, options, step),
            () => Accuracy(model, heldOut),
            report,
            cancellation
        );
        model.Precision.MatmulDtype = null;
    }

    /// <summary>Share of examples whose most likely class is right.</summary>
    public static double Accuracy(SequenceClassifier model, IReadOnlyList<LabeledTokens> examples) =>
        ClassifierBatch
            .Scores(model, [.. examples.Select(example => example.Tokens)])
            .Zip(examples)
            .Count(scored => Array.IndexOf(scored.First, scored.First.Max()) == scored.Second.Label) / (double)examples.Count;

    private static (double, long) Backward(SequenceClassifier model, Func<ulong, LabeledTokens> draw, SupervisedOptions options, int step)
    {
        LabeledTokens[] batch =
        [
            .. Enumerable.Range(0, options.BatchSize).Select(row => draw((ulong)step * (ulong)options.BatchSize + (ulong)row)),
        ];
        double sum = 0;
        foreach (var rows in ClassifierBatch.Passes([.. batch.Select(example => example.Tokens.Length)], RowsOfPass))
        {
            using var scope = NewDisposeScope();
            var logits = ClassifierBatch.Logits(model, [.. rows.Select(row => batch[row].Tokens)]);
            var labels = tensor(rows.Select(row => (long)batch[row].Label).ToArray(), device: logits.device);
            var loss = nn.functional.cross_entropy(logits.to(ScalarType.Float32), labels).Times(rows.Length / (double)batch.Length);
            loss.backward();
            sum += loss.ToNumber();
        }
        return (sum, batch.Sum(example => (long)example.Tokens.Length));
    }
}
