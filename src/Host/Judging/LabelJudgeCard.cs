using System.Globalization;
using System.Text;
using DfPO.Actors;
using DfPO.Tasks.Corpora;
using DfPO.Tasks.Metrics;

namespace DfPO.Host.Judging;

/// <summary>The model card of a classifier.</summary>
internal static class LabelJudgeCard
{
    /// <param name="settings">How it was trained.</param>
    /// <param name="train">On what.</param>
    /// <param name="test">What it was measured on.</param>
    /// <param name="views">Figures by what the classifier was shown of each text.</param>
    /// <param name="minutes">How long training took.</param>
    public static string Write(
        LabelJudgeSettings settings,
        LabeledCorpus train,
        LabeledCorpus test,
        IReadOnlyList<(string Name, ClassifierFigures Figures)> views,
        double minutes
    )
    {
        var options = settings.Options;
        var tested =
            settings.Test is { } other ? $"`{JudgeOutput.NameOf(other)}`"
            : "its own test part";
        var card = new StringBuilder();
        void Line(FormattableString text) => card.AppendLine(text.ToString(CultureInfo.InvariantCulture));
        Line(
            $"""
            ---
            library_name: transformers
            pipeline_tag: text-classification
            ---
            # A judge of texts

            A classifier of {Labels(train)} on the body of `{JudgeOutput.NameOf(settings.Base)}`, trained by DfPO {ProductVersion.Text}. As the
            reward of an experiment:

            ```hocon
            task.reward-model = this-folder
            task.reward-label = {train.Labels[^1]}
            ```

            ## Training

            {train.Texts.Count} texts of `{JudgeOutput.NameOf(settings.Train)}`, whole in {settings.Windows.WholeShare:P0} of the draws, otherwise
            random pieces of {settings.Windows.LeastWords} to {settings.Windows.MostWords} words; at most {options.BlockSize} tokens, the last ones.
            {options.Steps} steps of {options.BatchSize} texts ({options.Steps * (double)options.BatchSize / train.Texts.Count:F2} passes), rate
            {options.LearningRate:G3} with {options.WarmupSteps} steps of warm-up and a cosine to a tenth, weight decay {options.WeightDecay:G3}, seed
            {options.Seed}, {(options.Bf16 ? "products in bfloat16" : "float32")}; {minutes:F1} minutes. The weights are saved in bfloat16.

            ## Figures

            The saved weights on {views[0].Figures.Count} of {test.Texts.Count} texts of {tested}, chosen by the seed. Brackets are 95 % intervals.

            | shown | accuracy | log loss | calibration error |
            |---|---|---|---|
            """
        );
        foreach (var (name, figures) in views)
            Line(
                $"| {name} | {figures.Accuracy.Estimate:F3} [{figures.Accuracy.Low:F3}, {figures.Accuracy.High:F3}] | {figures.LogLoss:F3} | {figures.CalibrationError:F3} |"
            );
        Line(
            $"""

            The calibration error is the expected one of {ClassifierFigures.BinCount} equally wide bins. Where its parts come from:

            | shown | probability of the likeliest class | texts | mean probability | right |
            |---|---|---|---|---|
            """
        );
        foreach (var (name, figures) in views)
            foreach (var bin in figures.Bins.Where(bin => bin.Count > 0))
                Line($"| {name} | {bin.Low:F2} to {bin.High:F2} | {bin.Count} | {bin.Confidence:F3} | {bin.Accuracy:F3} |");
        Line(
            $"""

            ## Limits

            It has seen one kind of text, and can be gamed as any classifier can. Do not give it to a policy that has the same body: both would
            have the same blind spots. Of what the data and the body are licensed for, nothing is recorded here.
            """
        );
        return card.ToString().ReplaceLineEndings("\n");
    }

    private static string Labels(LabeledCorpus corpus) => string.Join(", ", corpus.Labels.Select(label => $"`{label}`"));
}
