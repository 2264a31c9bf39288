using DfPO.Models;
using DfPO.Models.Classifiers;
using DfPO.Models.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Supervised;

/// <summary>A preference as token ids with special tokens, at least one each.</summary>
/// <param name="Chosen">The better text.</param>
/// <param name="Rejected">The worse one.</param>
/// <param name="Margin">By how much the scores should differ at least; null for 0.</param>
public sealed record PairTokens(int[] Chosen, int[] Rejected, double? Margin = null);

/// <summary>What a reward model makes of pairs.</summary>
/// <param name="Right">Pairs whose chosen text has the higher score.</param>
/// <param name="Count">Pairs.</param>
/// <param name="Margin">Mean of chosen minus rejected score.</param>
/// <param name="Mean">Mean score of all texts.</param>
public sealed record PairFigures(int Right, int Count, double Margin, double Mean);

/// <summary>Training of a sequence classifier with one label, its score, on preferences: <see cref="BradleyTerryLoss"/>.</summary>
public static class PairTrainer
{
    private const int PairsOfPass = 4;

    /// <summary>Trains to the end of the schedule; see <see cref="ClassifierTrainer.Train"/>.</summary>
    /// <param name="model">Trained in place; has one label.</param>
    /// <param name="draw">The pair of a draw, the same whenever asked.</param>
    /// <param name="heldOut">Pairs that the accuracy between steps is of, at least one.</param>
    /// <param name="options">Hyper-parameters; a step has <see cref="SupervisedOptions.BatchSize"/> pairs.</param>
    /// <param name="centring">Coefficient of the centring term, at least 0.</param>
    /// <param name="checkpoint">Folder of the resumable state.</param>
    /// <param name="report">Receives progress; its held-out figure is the accuracy.</param>
    /// <param name="cancellation">Stops after the step in hand, leaving a checkpoint.</param>
    /// <exception cref="DfpoException"><c>train/options</c>, <c>train/data</c> or <c>train/resume</c>.</exception>
    public static void Train(
        SequenceClassifier model,
        Func<ulong, PairTokens> draw,
        IReadOnlyList<PairTokens> heldOut,
        SupervisedOptions options,
        double centring,
        string checkpoint,
        Action<TrainingProgress> report,
        CancellationToken cancellation
    )
    {
        ClassifierBatch.CheckBlock(model, options.Checked());
        if (model.Labels.Count != 1)
            throw new DfpoException("train/options", $"Preferences train one score, and the model has {model.Labels.Count} labels.");
        if (!(centring >= 0) || !double.IsFinite(centring))
            throw new DfpoException("train/options", $"Training option 'center-rewards' is {centring} but must be at least 0.");
        if (heldOut.Count == 0)
            throw new DfpoException("train/data", "The held-out part has no pair.");
        model.Precision.MatmulDtype = options.Bf16 ? ScalarType.BFloat16 : null;
        SupervisedTrainer.Run(
            model,
            options,
            checkpoint,
            step =>
            {
                PairTokens[] batch =
                [
                    .. Enumerable.Range(0, options.BatchSize).Select(row => draw((ulong)step * (ulong)options.BatchSize + (ulong)row)),
                ];
                return (Backward(model, batch, centring), batch.Sum(pair => (long)pair.Chosen.Length + pair.Rejected.Length));
            },
            () => Measure(model, heldOut).Right / (double)heldOut.Count,
            report,
            cancellation
        );
        model.Precision.MatmulDtype = null;
    }

    /// <summary>Adds the gradient of a batch's loss to the parameters.</summary>
    /// <param name="model">The reward model.</param>
    /// <param name="batch">At least one pair.</param>
    /// <param name="centring">Coefficient of the centring term.</param>
    /// <returns>The loss.</returns>
    public static double Backward(SequenceClassifier model, IReadOnlyList<PairTokens> batch, double centring)
    {
        double sum = 0;
        // Both terms of the loss are means over pairs, so that parts of a batch add up to it.
        foreach (var rows in ClassifierBatch.Passes([.. batch.Select(Length)], PairsOfPass))
        {
            using var scope = NewDisposeScope();
            PairTokens[] pairs = [.. rows.Select(row => batch[row])];
            var scores = ClassifierBatch
                .Logits(model, [.. pairs.Select(pair => pair.Chosen), .. pairs.Select(pair => pair.Rejected)])
                .view(2, pairs.Length);
            var margins = pairs.All(pair => pair.Margin is null) ? null : pairs.Select(pair => pair.Margin ?? 0).ToArray();
            var loss = BradleyTerryLoss
                .Of(scores[0], scores[1], margins, centring, new Statistics())
                .Times(pairs.Length / (double)batch.Count);
            loss.backward();
            sum += loss.ToNumber();
        }
        return sum;
    }

    /// <summary>The scores of pairs in figures.</summary>
    /// <param name="model">The reward model.</param>
    /// <param name="pairs">At least one.</param>
    public static PairFigures Measure(SequenceClassifier model, IReadOnlyList<PairTokens> pairs)
    {
        var scores = ClassifierBatch.Scores(model, [.. pairs.Select(pair => pair.Chosen), .. pairs.Select(pair => pair.Rejected)]);
        double[] differences = [.. pairs.Index().Select(pair => (double)scores[pair.Index][0] - scores[pair.Index + pairs.Count][0])];
        return new(
            differences.Count(difference => difference > 0),
            pairs.Count,
            differences.Average(),
            scores.Average(score => (double)score[0])
        );
    }

    private static int Length(PairTokens pair) => Math.Max(pair.Chosen.Length, pair.Rejected.Length);
}
