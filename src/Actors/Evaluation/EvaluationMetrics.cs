using DfPO.Actors.Configuration;
using DfPO.Models;
using DfPO.Tasks.Metrics;
using DfPO.Tasks.Prompts;
using DfPO.Tasks.Rewards;

namespace DfPO.Actors.Evaluation;

/// <summary>The text metrics that an experiment asks for, of one evaluation.</summary>
public static class EvaluationMetrics
{
    /// <summary>Name of the metric that turns rewards into RealToxicityPrompts' figures.</summary>
    public const string Toxicity = "toxicity";

    /// <summary>
    /// Name of the metric that asks how likely the policy finds the prompts' references: <see cref="ModelPerplexity.OfReferences"/>.
    /// </summary>
    public const string ReferencePerplexity = "reference-perplexity";

    /// <summary>
    /// Name of the metric that asks a judge without a part in training, <c>evaluation.perplexity-model</c>, how likely it finds the
    /// continuations (<see cref="ModelPerplexity.OfContinuations"/>): the perplexity of its tokens.
    /// </summary>
    public const string PerplexityUnderModel = "model-perplexity";

    /// <summary>A figure that comes with it: bits a character, which judges with different tokenizers have in common.</summary>
    public const string JudgeBitsPerCharacter = "judge-bits-per-character";

    private static readonly string[] s_beside = [Toxicity, ReferencePerplexity, PerplexityUnderModel];

    /// <summary>Everything that <c>evaluation.metrics</c> may name.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. TextMetrics.Names, .. s_beside];

    /// <summary>Whether a reward is 1 - toxicity, so that it says how toxic a text is.</summary>
    public static bool TellsToxicity(RewardSpec reward) => reward.Kind is RewardKind.NonToxicity or RewardKind.Perspective;

    /// <summary>A judge's figures, with intervals over the prompts.</summary>
    private static Dictionary<string, Interval> Judged(IReadOnlyList<JudgedText> texts, IReadOnlyList<Sample> samples)
    {
        var prompts = texts
            .Zip(samples)
            .GroupBy(pair => pair.Second.PromptId, pair => pair.First)
            .Select(prompt =>
                (
                    Nats: prompt.Sum(text => text.Nats),
                    Tokens: prompt.Sum(text => text.Tokens),
                    Characters: prompt.Sum(text => text.Characters)
                )
            )
            .ToArray();
        var figures = Bootstrap.Of([prompts.Length], items =>
        {
            var nats = items[0].Sum(i => prompts[i].Nats);
            return [Math.Exp(nats / items[0].Sum(i => prompts[i].Tokens)), nats / Math.Log(2) / items[0].Sum(i => prompts[i].Characters)];
        });
        return new() { [PerplexityUnderModel] = figures[0], [JudgeBitsPerCharacter] = figures[1] };
    }

    /// <summary>
    /// The figures, by name, and intervals of those that have one; a figure that has no value for these texts is left out.
    /// </summary>
    /// <param name="config">The experiment.</param>
    /// <param name="texts">Continuations with their prompts, references and concepts.</param>
    /// <param name="samples">The same continuations' prompts and rewards, in the same order.</param>
    /// <param name="referencePerplexity">What only the policy's holder can compute; null where it was not asked for, or is not the decoding
    /// policy's.</param>
    /// <exception cref="DfpoException"><c>metrics/...</c>: a metric lacks what it needs.</exception>
    public static (IReadOnlyDictionary<string, double> Figures, IReadOnlyDictionary<string, Interval> Intervals) Of(
        ExperimentConfig config,
        IReadOnlyList<PromptContinuation> texts,
        IReadOnlyList<Sample> samples,
        double? referencePerplexity = null
    )
    {
        var (figures, intervals) = (new Dictionary<string, double>(), new Dictionary<string, Interval>());
        if (referencePerplexity is { } perplexity)
            figures[ReferencePerplexity] = perplexity;
        if (config.Evaluation.Metrics.Contains(PerplexityUnderModel))
            foreach (
                var (name, value) in Judged(
                    config.Evaluation.PerplexityModel is { Length: > 0 } model
                        ? ModelPerplexity.OfContinuations(model, texts)
                        : throw new DfpoException(
                            "metrics/needs",
                            $"The metric '{PerplexityUnderModel}' cannot be computed: evaluation.perplexity-model does not name a checkpoint folder."
                        ),
                    samples
                )
            )
                (figures[name], intervals[name]) = (value.Estimate, value);
        string[] textual = [.. config.Evaluation.Metrics.Except(s_beside)];
        if (textual.Length > 0)
            foreach (var value in TextMetrics.Of(texts, Options(config) with { Metrics = textual }))
                figures[value.Name] = value.Corpus;
        if (config.Evaluation.Metrics.Contains(Toxicity))
        {
            var toxicity = ToxicityFigures.Of([
                .. samples.GroupBy(sample => sample.PromptId).Select(prompt => prompt.Select(sample => 1 - sample.Reward).ToArray()),
            ]);
            (figures["toxicity-mean"], figures["toxicity-expected-maximum"], figures["toxicity-probability"]) = (
                toxicity.Mean,
                toxicity.ExpectedMaximum,
                toxicity.Probability
            );
        }
        // JSON, which they are kept in, has no NaN.
        return (
            figures.Where(figure => double.IsFinite(figure.Value)).ToDictionary(),
            intervals.Where(figure => double.IsFinite(figure.Value.Low)).ToDictionary()
        );
    }

    /// <summary>What the metrics have at hand: the evaluation's own data, or the reward's where it names none.</summary>
    public static TextMetricOptions Options(ExperimentConfig config) =>
        new()
        {
            WordNet = config.Evaluation.WordNet.Length > 0 ? config.Evaluation.WordNet : config.Task.Reward.WordNet,
            Lexicon = config.Evaluation.Lexicon.Length > 0 ? config.Evaluation.Lexicon : config.Task.Reward.Lexicon,
            SpiceJar = config.Evaluation.SpiceJar,
            BertScoreModel = config.Evaluation.BertScoreModel,
            BertScoreLayer = config.Evaluation.BertScoreLayer,
        };
}
