using DfPO.Models;
using DfPO.Tasks.Prompts;

namespace DfPO.Tasks.Metrics;

/// <summary>What metrics need besides the texts.</summary>
public sealed record TextMetricOptions
{
    /// <summary>Metrics to compute, of <see cref="TextMetrics.Names"/>; all that the texts allow when empty.</summary>
    public IReadOnlyList<string> Metrics { get; init; } = [];

    /// <summary>METEOR and coverage: folder or archive of WordNet, or <c>none</c> to do without; METEOR is left out when empty.</summary>
    public string WordNet { get; init; } = "";

    /// <summary>VADER: <c>vader_lexicon.txt</c> or its folder; left out when empty.</summary>
    public string Lexicon { get; init; } = "";

    /// <summary>SPICE: path of <c>spice-1.0.jar</c>; left out when empty.</summary>
    public string SpiceJar { get; init; } = "";

    /// <summary>BERTScore: checkpoint folder of an encoder; left out when empty.</summary>
    public string BertScoreModel { get; init; } = "";

    /// <summary>BERTScore: the encoder's layer, from 1; 0 for bert_score's own.</summary>
    public int BertScoreLayer { get; init; }
}

/// <summary>One figure of a corpus.</summary>
/// <param name="Name">Such as <c>rougeL</c> or <c>distinct-2</c>.</param>
/// <param name="Corpus">The corpus's figure.</param>
/// <param name="Items">The items' figures, whose mean the corpus's is unless the metric pools; null where a single item has none.</param>
public sealed record MetricValue(string Name, double Corpus, IReadOnlyList<double>? Items);

/// <summary>
/// The text metrics by name. Those by comparison take the best reference or pool over all, on lower-cased Treebank words unless the metric
/// has words of its own.
/// </summary>
public static class TextMetrics
{
    private delegate IEnumerable<MetricValue> Compute(Corpus corpus);

    private static readonly (string Name, Needs Needs, Compute Compute)[] s_metrics =
    [
        ("meteor", Needs.References | Needs.WordNet, Meteors),
        ("rouge", Needs.References, Rouges),
        ("bleu", Needs.References, Bleus),
        ("sacrebleu", Needs.References, SacreBleus),
        ("cider", Needs.References, Ciders),
        ("caption-rouge-l", Needs.References, corpus =>
            Mean("caption-rouge-l", corpus, item => CaptionRouge.Score(item.Words, item.References))
        ),
        ("spice", Needs.References | Needs.Spice, Spices),
        ("bert-score", Needs.References | Needs.Encoder, BertScores),
        ("coverage", Needs.Concepts, Coverages),
        ("vader", Needs.Lexicon, corpus => Mean("vader", corpus, item => corpus.Vader.Score(item.Text.Continuation).Compound)),
        ("diversity", Needs.Nothing, Diversities),
        ("repetition", Needs.Nothing, corpus => Mean("repetition-4", corpus, item => Degeneration.RepetitionRate(item.Words))),
        ("self-bleu", Needs.Several, corpus => [new MetricValue("self-bleu", Degeneration.SelfBleu(corpus.Words), null)]),
    ];

    [Flags]
    private enum Needs
    {
        Nothing = 0,
        References = 1,
        Concepts = 2,
        WordNet = 4,
        Lexicon = 8,
        Spice = 16,
        Several = 32,
        Encoder = 64,
    }

    /// <summary>What can be asked for; some give several figures.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. s_metrics.Select(metric => metric.Name)];

    /// <summary>Computes the metrics asked for.</summary>
    /// <exception cref="DfpoException"><c>metrics/empty</c>: no text; <c>metrics/unknown</c>: no such metric; <c>metrics/needs</c>: a
    /// metric that was asked for lacks what it needs.</exception>
    public static IReadOnlyList<MetricValue> Of(IReadOnlyList<PromptContinuation> texts, TextMetricOptions options)
    {
        if (texts.Count == 0)
            throw new DfpoException("metrics/empty", "There is no text to measure.");
        if (options.Metrics.Except(Names).FirstOrDefault() is { } unknown)
            throw new DfpoException("metrics/unknown", $"There is no metric '{unknown}': choose among {string.Join(", ", Names)}.");
        var lacking = Lacking(texts, options);
        foreach (var (name, needs, _) in s_metrics)
            if (
                options.Metrics.Contains(name)
                && (needs & lacking.Keys.Aggregate(Needs.Nothing, (a, b) => a | b)) is var missing and not Needs.Nothing
            )
                throw new DfpoException(
                    "metrics/needs",
                    $"The metric '{name}' cannot be computed: {string.Join("; ", lacking.Where(l => missing.HasFlag(l.Key)).Select(l => l.Value))}."
                );
        var chosen = s_metrics
            .Where(metric =>
                options.Metrics.Count > 0 ? options.Metrics.Contains(metric.Name) : !lacking.Keys.Any(need => metric.Needs.HasFlag(need))
            )
            .ToArray();
        var corpus = new Corpus(texts, options);
        return [.. chosen.SelectMany(metric => metric.Compute(corpus))];
    }

    private static Dictionary<Needs, string> Lacking(IReadOnlyList<PromptContinuation> texts, TextMetricOptions options)
    {
        var lacking = new Dictionary<Needs, string>();
        void Check(Needs need, bool isMet, string otherwise)
        {
            if (!isMet)
                lacking[need] = otherwise;
        }
        Check(
            Needs.References,
            texts.All(text => text.References.Count > 0),
            $"{texts.Count(text => text.References.Count == 0)} of {texts.Count} prompts have no reference"
        );
        Check(
            Needs.Concepts,
            texts.All(text => text.Concepts.Count > 0),
            $"{texts.Count(text => text.Concepts.Count == 0)} of {texts.Count} prompts have no concepts"
        );
        Check(Needs.WordNet, options.WordNet.Length > 0, "word-net names neither WordNet's folder or archive nor 'none'");
        Check(Needs.Lexicon, options.Lexicon.Length > 0, "lexicon does not name vader_lexicon.txt");
        Check(Needs.Spice, options.SpiceJar.Length > 0, "spice-jar does not name SPICE's program, which its authors give out");
        Check(Needs.Several, texts.Count > 1, "there is one text only");
        Check(Needs.Encoder, options.BertScoreModel.Length > 0, "bert-score-model does not name an encoder's checkpoint folder");
        return lacking;
    }

    private static IEnumerable<MetricValue> Mean(string name, Corpus corpus, Func<Item, double> score)
    {
        double[] items = [.. corpus.Items.Select(score)];
        yield return new MetricValue(name, items.Average(), items);
    }

    private static IEnumerable<MetricValue> Meteors(Corpus corpus)
    {
        var meteor = new Meteor(corpus.WordNet);
        return Mean("meteor", corpus, item => meteor.Score(item.Words, item.References));
    }

    private static IEnumerable<MetricValue> Coverages(Corpus corpus)
    {
        var coverage = new ConceptCoverage(corpus.WordNet);
        return Mean("coverage", corpus, item => coverage.Score(item.Text.Continuation, item.Text.Concepts));
    }

    private static IEnumerable<MetricValue> Rouges(Corpus corpus)
    {
        var rouge = new Rouge();
        var types = new (string Name, Func<string, string, RougeScore> Score)[]
        {
            ("rouge1", (text, reference) => rouge.N(text, reference, 1)),
            ("rouge2", (text, reference) => rouge.N(text, reference, 2)),
            ("rougeL", rouge.L),
            ("rougeLsum", rouge.LSum),
        };
        return types.SelectMany(type =>
            Mean(type.Name, corpus, item => item.Text.References.Max(reference => type.Score(item.Text.Continuation, reference).F))
        );
    }

    private static IEnumerable<MetricValue> Bleus(Corpus corpus)
    {
        BleuCounts[] counts = [.. corpus.Items.Select(item => BleuCounts.Of(item.Words, item.References))];
        var pooled = Bleu.Coco(counts.Aggregate((a, b) => a + b));
        double[][] items = [.. counts.Select(Bleu.Coco)];
        return pooled.Select((score, n) => new MetricValue($"bleu-{n + 1}", score, [.. items.Select(item => item[n])]));
    }

    private static IEnumerable<MetricValue> SacreBleus(Corpus corpus)
    {
        var bleu = new SacreBleu();
        BleuCounts[] counts = [.. corpus.Items.Select(item => bleu.Count(item.Text.Continuation, item.Text.References))];
        yield return new MetricValue(
            "sacrebleu",
            SacreBleu.Corpus(counts.Aggregate((a, b) => a + b)),
            [.. counts.Select(SacreBleu.Sentence)]
        );
    }

    private static IEnumerable<MetricValue> Ciders(Corpus corpus)
    {
        var scores = CiderD.Scores([.. corpus.Items.Select(item => (item.Words, (IReadOnlyList<string[]>)item.References))]);
        yield return new MetricValue("cider", scores.Average(), scores);
    }

    private static IEnumerable<MetricValue> Spices(Corpus corpus)
    {
        var scores = new Spice(corpus.Options.SpiceJar).Score([
            .. corpus.Items.Select(item => (item.Text.Continuation, item.Text.References)),
        ]);
        // An item without a tuple has no score; the authors' mean leaves it out.
        yield return new MetricValue("spice", scores.Where(double.IsFinite).DefaultIfEmpty(double.NaN).Average(), scores);
    }

    private static IEnumerable<MetricValue> BertScores(Corpus corpus)
    {
        using var encoder = BertScoreEncoder.Load(corpus.Options.BertScoreModel, corpus.Options.BertScoreLayer);
        var scores = encoder.Score([.. corpus.Items.Select(item => (item.Text.Continuation, item.Text.References))]);
        MetricValue Value(string name, Func<(double Precision, double Recall, double F), double> score) =>
            new(name, scores.Average(score), [.. scores.Select(score)]);
        return
        [
            Value("bert-score-precision", s => s.Precision),
            Value("bert-score-recall", s => s.Recall),
            Value("bert-score-f1", s => s.F),
        ];
    }

    private static IEnumerable<MetricValue> Diversities(Corpus corpus)
    {
        var lengths = Diversity.Lengths(corpus.Words);
        IEnumerable<MetricValue> figures =
        [
            new("msttr-100", Diversity.Msttr(corpus.Words), null),
            new("length", lengths.Mean, [.. corpus.Words.Select(words => (double)words.Length)]),
        ];
        return figures.Concat(
            Enumerable
                .Range(1, 3)
                .SelectMany(n =>
                {
                    var ngrams = Diversity.OfNgrams(corpus.Words, n);
                    return new (string Name, double Value)[]
                    {
                        ("distinct", ngrams.Distinct),
                        ("vocabulary", ngrams.Vocabulary),
                        ("unique", ngrams.Unique),
                        ("entropy", ngrams.Entropy),
                        ("conditional-entropy", ngrams.ConditionalEntropy),
                    }
                        .Where(figure => !double.IsNaN(figure.Value))
                        .Select(figure => new MetricValue($"{figure.Name}-{n}", figure.Value, null));
                })
        );
    }

    private sealed record Item(PromptContinuation Text, string[] Words, string[][] References);

    private sealed class Corpus(IReadOnlyList<PromptContinuation> texts, TextMetricOptions options)
    {
        private readonly Lazy<WordNet?> _wordNet = new(() =>
            options.WordNet is "" or "none" ? null : Metrics.WordNet.Load(options.WordNet)
        );
        private readonly Lazy<Vader> _vader = new(() => Vader.Load(options.Lexicon));

        public TextMetricOptions Options => options;

        public Item[] Items { get; } =
        [.. texts.Select(text => new Item(text, TreebankWords.Lower(text.Continuation), [.. text.References.Select(TreebankWords.Lower)]))];

        public IReadOnlyList<string[]> Words => [.. Items.Select(item => item.Words)];

        public WordNet? WordNet => _wordNet.Value;

        public Vader Vader => _vader.Value;
    }
}
