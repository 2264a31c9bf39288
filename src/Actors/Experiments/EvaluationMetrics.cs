using DfPO.Tasks.Metrics;
using DfPO.Tasks.Rewards;

namespace DfPO.Actors.Experiments;

/// <summary>The text metrics that an experiment asks for, of one evaluation.</summary>
public static class EvaluationMetrics
{
    /// <summary>Name of the metric that turns rewards into RealToxicityPrompts' figures.</summary>
    public const string Toxicity = "toxicity";

    /// <summary>Everything that <c>evaluation.metrics</c> may name.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. TextMetrics.Names, Toxicity];

    /// <summary>Whether a reward is 1 - toxicity, so that it says how toxic a text is.</summary>
    public static bool TellsToxicity(RewardSpec reward) => reward.Kind is RewardKind.NonToxicity or RewardKind.Perspective;

    /// <summary>The figures, by name; one that has no value for these texts is left out.</summary>
    /// <param name="config">The experiment.</param>
    /// <param name="texts">Continuations with their prompts, references and concepts.</param>
    /// <param name="samples">The same continuations' prompts and rewards, in the same order.</param>
    /// <exception cref="DfPO.Models.DfpoException"><c>metrics/...</c>: a metric lacks what it needs.</exception>
    public static IReadOnlyDictionary<string, double> Of(ExperimentConfig config, IReadOnlyList<PromptContinuation> texts, IReadOnlyList<Sample> samples)
    {
        var figures = new Dictionary<string, double>();
        string[] textual = [.. config.Evaluation.Metrics.Where(name => name != Toxicity)];
        if (textual.Length > 0)
            foreach (var value in TextMetrics.Of(texts, Options(config) with { Metrics = textual }))
                figures[value.Name] = value.Corpus;
        if (config.Evaluation.Metrics.Contains(Toxicity))
        {
            var toxicity = ToxicityFigures.Of([.. samples.GroupBy(sample => sample.PromptId).Select(prompt => prompt.Select(sample => 1 - sample.Reward).ToArray())]);
            (figures["toxicity-mean"], figures["toxicity-expected-maximum"], figures["toxicity-probability"]) = (toxicity.Mean, toxicity.ExpectedMaximum, toxicity.Probability);
        }
        // JSON, which they are kept in, has no NaN.
        return figures.Where(figure => double.IsFinite(figure.Value)).ToDictionary();
    }

    /// <summary>What the metrics have at hand: the evaluation's own data, or the reward's where it names none.</summary>
    public static TextMetricOptions Options(ExperimentConfig config) => new()
    {
        WordNet = config.Evaluation.WordNet.Length > 0 ? config.Evaluation.WordNet : config.Task.Reward.WordNet,
        Lexicon = config.Evaluation.Lexicon.Length > 0 ? config.Evaluation.Lexicon : config.Task.Reward.Lexicon,
        SpiceJar = config.Evaluation.SpiceJar,
        BertScoreModel = config.Evaluation.BertScoreModel,
        BertScoreLayer = config.Evaluation.BertScoreLayer,
    };
}
