using System.Globalization;
using DfPO.Actors;
using DfPO.Learner.Supervised;
using DfPO.Models;
using DfPO.Models.Chat;
using DfPO.Models.Tokenizers;
using DfPO.Tasks.Corpora;
using DfPO.Tasks.Metrics;
using DfPO.Tasks.Rewards;
using static TorchSharp.torch;

namespace DfPO.Host.Judging;

/// <summary>What a reward model of preferences is trained on and how.</summary>
/// <param name="Base">Checkpoint whose body and tokenizer are taken over.</param>
/// <param name="Pairs">Training pairs.</param>
/// <param name="Test">Test pairs; null for every tenth of <paramref name="Pairs"/>.</param>
/// <param name="Template">Checkpoint whose chat template writes conversations.</param>
/// <param name="Centring">Coefficient of the centring term.</param>
/// <param name="TestLimit">Most test pairs; 0 for all.</param>
/// <param name="Options">Hyper-parameters.</param>
internal sealed record PairJudgeSettings(
    string Base,
    string Pairs,
    string? Test,
    string Template,
    double Centring,
    int TestLimit,
    SupervisedOptions Options
);

/// <summary>Trains a reward model on preferences and measures what was saved.</summary>
internal static class PairJudge
{
    /// <summary>Name of the one label: the score.</summary>
    public const string Label = "reward";

    private const int HeldOutPairs = 200;
    private const int LeastPairs = 20;
    private const int TestEvery = 10;

    public static int Run(PairJudgeSettings settings, string output, Action<TrainingProgress> report, CancellationToken cancellation)
    {
        var options = settings.Options with
        {
            Examples = string.Create(CultureInfo.InvariantCulture, $"pairs of {Path.GetFileName(settings.Pairs)}, centring {settings.Centring}"),
        };
        var tokenizer = TextTokenizer.Load(settings.Base);
        JudgeOutput.CheckBlock(tokenizer, options);
        IReadOnlyList<PairText> Read(string path) => PairCorpus.Read(path, () => ChatTemplate.Load(settings.Template));
        var pairs = Read(settings.Pairs);
        if (pairs.Count < LeastPairs)
            throw new DfpoException(
                "train/data",
                $"'{settings.Pairs}' has {pairs.Count} pairs but training needs at least {LeastPairs}: some are held out to measure accuracy."
            );
        int[] order = CounterRandom.Permutation(pairs.Count, options.Seed),
            tested = settings.Test is null ? order[..(pairs.Count / TestEvery)] : [],
            rest = order[tested.Length..],
            held = rest[..Math.Min(HeldOutPairs, pairs.Count / TestEvery)],
            learnt = rest[held.Length..];
        var epochs = new EpochOrder(learnt.Length, options.Seed);
        PairTokens Seen(PairText pair) =>
            new(
                ClassifierReward.Encode(tokenizer, pair.Chosen, options.BlockSize),
                ClassifierReward.Encode(tokenizer, pair.Rejected, options.BlockSize),
                pair.Margin
            );

        var clock = System.Diagnostics.Stopwatch.StartNew();
        using (var model = PretrainedModels.CreateSequenceClassifier(settings.Base, [Label], options.Seed))
        {
            tokenizer.CheckFits(model.VocabularySize);
            PairTrainer.Train(
                model,
                draw => Seen(pairs[learnt[epochs[draw]]]),
                [.. held.Select(index => Seen(pairs[index]))],
                options,
                settings.Centring,
                output + ".state",
                report,
                cancellation
            );
            PretrainedModels.Save(output, model, ScalarType.BFloat16);
        }
        var minutes = clock.Elapsed.TotalMinutes;
        IEnumerable<PairText> test = settings.Test is { } path ? Read(path) : tested.Select(index => pairs[index]);
        PairTokens[] shown = [.. (settings.TestLimit > 0 ? test.Take(settings.TestLimit) : test).Select(Seen)];
        using var saved = PretrainedModels.LoadSequenceClassifier(output);
        saved.Precision.MatmulDtype = options.Bf16 ? ScalarType.BFloat16 : null;
        var figures = PairTrainer.Measure(saved, shown);
        var accuracy = Interval.Share(figures.Right, figures.Count);
        JudgeOutput.Complete(output, settings.Base, Card(settings, learnt.Length, shown.Length, figures, minutes));
        Console.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"test accuracy {accuracy.Estimate:F4} [{accuracy.Low:F4}, {accuracy.High:F4}], margin {figures.Margin:F4}, mean score {figures.Mean:F4}, of {shown.Length} pairs; {minutes:F1} minutes; saved in {output}"
            )
        );
        return 0;
    }

    private static string Card(PairJudgeSettings settings, int learnt, int tested, PairFigures figures, double minutes)
    {
        var options = settings.Options;
        var accuracy = Interval.Share(figures.Right, figures.Count);
        return string.Create(
                CultureInfo.InvariantCulture,
                $"""
                ---
                library_name: transformers
                pipeline_tag: text-classification
                ---
                # A reward model of preferences

                One score, on the body of `{JudgeOutput.NameOf(settings.Base)}`, trained by DfPO {ProductVersion.Text}. As the reward of an
                experiment:

                ```hocon
                task.reward-model = this-folder
                task.reward-label = {Label}
                task.reward.classifier-output = score
                ```

                ## Training

                The Bradley-Terry loss on {learnt} pairs of `{JudgeOutput.NameOf(settings.Pairs)}`, prompt and answer as one text; at most
                {options.BlockSize} tokens, the last ones. Centring coefficient {settings.Centring:G3}. {options.Steps} steps of {options.BatchSize} pairs,
                rate {options.LearningRate:G3} with {options.WarmupSteps} steps of warm-up and a cosine to a tenth, weight decay
                {options.WeightDecay:G3}, seed {options.Seed}, {(options.Bf16 ? "products in bfloat16" : "float32")}; {minutes:F1} minutes. The weights are
                saved in bfloat16.

                ## Figures

                The saved weights on {tested} pairs that were not learnt from: accuracy **{accuracy.Estimate:F3}** (95 %
                {accuracy.Low:F3} to {accuracy.High:F3}), mean margin {figures.Margin:F3}, mean score {figures.Mean:F3}.

                ## Limits

                A score says which of two answers to a prompt is preferred, not how good an answer is. It can be gamed as any reward model can. Of
                what the data and the body are licensed for, nothing is recorded here.

                """
            )
            .ReplaceLineEndings("\n");
    }
}
