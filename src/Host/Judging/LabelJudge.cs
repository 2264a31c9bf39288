using System.Globalization;
using DfPO.Learner.Supervised;
using DfPO.Models;
using DfPO.Models.Classifiers;
using DfPO.Models.Tokenizers;
using DfPO.Tasks.Corpora;
using DfPO.Tasks.Metrics;
using DfPO.Tasks.Rewards;
using static TorchSharp.torch;

namespace DfPO.Host.Judging;

/// <summary>What a judge of labels is trained on and how.</summary>
/// <param name="Base">Checkpoint whose body and tokenizer are taken over.</param>
/// <param name="Train">Training texts.</param>
/// <param name="Test">Test texts; null for the data's own test part, or every tenth text.</param>
/// <param name="Columns">Columns of tables.</param>
/// <param name="Windows">How training sees the texts.</param>
/// <param name="TestLimit">Most test texts; 0 for all.</param>
/// <param name="Options">Hyper-parameters.</param>
internal sealed record LabelJudgeSettings(
    string Base,
    string Train,
    string? Test,
    LabeledColumns Columns,
    TextWindows Windows,
    int TestLimit,
    SupervisedOptions Options
);

/// <summary>Trains a classifier of labelled texts and measures what was saved.</summary>
internal static class LabelJudge
{
    /// <summary>Tokens, and words, of the pieces that stand for short continuations.</summary>
    public const int PieceLength = 48;

    private const int HeldOutTexts = 400;
    private const int LeastTexts = 10;
    private const int HeldOutEvery = 10;
    private const ulong PieceStream = 0x71EC;

    public static int Run(LabelJudgeSettings settings, string output, Action<TrainingProgress> report, CancellationToken cancellation)
    {
        var options = settings.Options with
        {
            Examples = $"{Path.GetFileName(settings.Train)}, windows of {settings.Windows.LeastWords} to {settings.Windows.MostWords} words, {settings.Windows.WholeShare.ToString(CultureInfo.InvariantCulture)} whole",
        };
        var windows = settings.Windows.Checked();
        var tokenizer = TextTokenizer.Load(settings.Base);
        JudgeOutput.CheckBlock(tokenizer, options);
        var (train, test) = LabeledCorpus.ReadBoth(settings.Train, settings.Test, settings.Columns, options.Seed);
        if (train.Texts.Count < LeastTexts || test.Texts.Count == 0)
            throw new DfpoException(
                "train/data",
                $"'{settings.Train}' has {train.Texts.Count} texts but training needs at least {LeastTexts}: one in {HeldOutEvery} is held out to measure accuracy."
            );
        var order = CounterRandom.Permutation(train.Texts.Count, options.Seed);
        var held = Math.Min(HeldOutTexts, train.Texts.Count / HeldOutEvery);
        LabeledText[] heldOut = [.. order.Take(held).Select(i => train.Texts[i])];
        int[] learnt = order[held..];
        var epochs = new EpochOrder(learnt.Length, options.Seed);
        LabeledTokens Seen(LabeledText text, ulong seed, ulong draw) =>
            new(ClassifierReward.Encode(tokenizer, windows.Of(text.Text, seed, draw), options.BlockSize), text.Label);

        var clock = System.Diagnostics.Stopwatch.StartNew();
        using (var model = PretrainedModels.CreateSequenceClassifier(settings.Base, train.Labels, options.Seed))
        {
            tokenizer.CheckFits(model.VocabularySize);
            ClassifierTrainer.Train(
                model,
                draw => Seen(train.Texts[learnt[epochs[draw]]], options.Seed, draw),
                // Held-out texts are seen as the training texts are, in other windows.
                [.. heldOut.Select((text, i) => Seen(text, options.Seed + 1, (ulong)i))],
                options,
                output + ".state",
                report,
                cancellation
            );
            PretrainedModels.Save(output, model, ScalarType.BFloat16);
        }
        var minutes = clock.Elapsed.TotalMinutes;
        var views = Measure(output, settings, test, options.BlockSize);
        JudgeOutput.Complete(output, settings.Base, LabelJudgeCard.Write(settings, train, test, views, minutes));
        foreach (var (name, figures) in views)
            Console.WriteLine(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"test accuracy {figures.Accuracy.Estimate:F4} [{figures.Accuracy.Low:F4}, {figures.Accuracy.High:F4}], log loss {figures.LogLoss:F4}, calibration error {figures.CalibrationError:F4}, of {figures.Count} {name}"
                )
            );
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{minutes:F1} minutes; saved in {output}"));
        return 0;
    }

    /// <summary>Figures of the saved classifier, which is rounded, by what it was shown of each test text.</summary>
    private static IReadOnlyList<(string Name, ClassifierFigures Figures)> Measure(
        string folder,
        LabelJudgeSettings settings,
        LabeledCorpus test,
        int blockSize
    )
    {
        var tokenizer = TextTokenizer.Load(settings.Base);
        using var model = PretrainedModels.LoadSequenceClassifier(folder);
        model.Precision.MatmulDtype = settings.Options.Bf16 ? ScalarType.BFloat16 : null;
        var order = CounterRandom.Permutation(test.Texts.Count, settings.Options.Seed);
        LabeledText[] texts =
        [
            .. order.Take(settings.TestLimit > 0 ? settings.TestLimit : order.Length).Select(index => test.Texts[index]),
        ];
        int[] labels = [.. texts.Select(text => text.Label)];
        ClassifierFigures Of(Func<string, int, int[]> shown) =>
            ClassifierFigures.Of(
                ClassifierBatch.Scores(model, [.. texts.Select((text, index) => shown(text.Text, index))], model.Probabilities),
                labels
            );
        int[] Whole(string text) => ClassifierReward.Encode(tokenizer, text, blockSize);
        int[] Piece(string text, int index)
        {
            var tokens = tokenizer.Encode(text);
            if (tokens.Length <= PieceLength)
                return Whole(text);
            var start = (int)(
                CounterRandom.Uniform(settings.Options.Seed ^ PieceStream, (ulong)index) * (tokens.Length - PieceLength + 1)
            );
            return tokenizer.Surround(tokens[start..(start + PieceLength)]);
        }
        return
        [
            ($"whole texts (their last {blockSize} tokens)", Of((text, _) => Whole(text))),
            ($"random pieces of {PieceLength} tokens", Of(Piece)),
            ($"pieces of the first {PieceLength} words", Of((text, _) => Whole(TextWindows.First(text, PieceLength)))),
        ];
    }
}
