using System.Diagnostics;
using DfPO.Tasks.Metrics;
using DfPO.Tasks.Prompts;

namespace DfPO.Tasks.Tests.Metrics;

public sealed class TextMetricsTests : IDisposable
{
    private static readonly PromptContinuation[] s_texts =
    [
        new("p1", "A dog runs.") { References = ["A dog runs.", "Dogs run."], Concepts = ["dog", "run"] },
        new("p2", "A cat sits on a mat.") { References = ["The cat sat."], Concepts = ["cat", "sit", "table"] },
    ];

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void AllThatTheTextsAllowIsComputedWhenNothingIsNamed()
    {
        var metrics = TextMetrics.Of(s_texts, new TextMetricOptions { WordNet = "none" });

        Assert.Equal(metrics.Count, metrics.Select(metric => metric.Name).Distinct().Count());
        foreach (
            var name in new[]
            {
                "meteor",
                "rouge1",
                "rougeLsum",
                "bleu-4",
                "sacrebleu",
                "cider",
                "caption-rouge-l",
                "coverage",
                "msttr-100",
                "distinct-2",
                "conditional-entropy-3",
                "length",
                "repetition-4",
                "self-bleu",
            }
        )
            Assert.Contains(name, metrics.Select(metric => metric.Name));
        Assert.DoesNotContain("vader", metrics.Select(metric => metric.Name));
        Assert.DoesNotContain("spice", metrics.Select(metric => metric.Name));
        Assert.All(metrics, metric => Assert.True(metric.Items is null || metric.Items.Count == 2));
        Assert.DoesNotContain("meteor", TextMetrics.Of(s_texts, new TextMetricOptions()).Select(metric => metric.Name));
        Assert.DoesNotContain("rougeL", TextMetrics.Of([new("p", "no references")], new TextMetricOptions()).Select(metric => metric.Name));
    }

    [Fact]
    public void FiguresAreThoseOfTheMetrics()
    {
        var metrics = TextMetrics
            .Of(
                s_texts,
                new TextMetricOptions
                {
                    Metrics = ["rouge", "coverage", "vader", "diversity"],
                    Lexicon = _folder.Write("l.txt", "runs\t2\n"),
                    WordNet = "none",
                }
            )
            .ToDictionary(metric => metric.Name);

        Assert.Equal([1.0, 2 / 3.0], metrics["coverage"].Items!);
        Assert.Equal(5 / 6.0, metrics["coverage"].Corpus, 12);
        Assert.Equal(new Rouge().L("A cat sits on a mat.", "The cat sat.").F, metrics["rougeL"].Items![1], 12);
        Assert.Equal(0, metrics["vader"].Items![1]);
        Assert.True(metrics["vader"].Items![0] > 0);
        Assert.Equal([4.0, 7], metrics["length"].Items!);
    }

    [Fact]
    public void AMetricThatCannotBeComputedIsRefusedWithTheReason()
    {
        PromptContinuation[] bare = [.. s_texts, new("p3", "x")];

        Assert.Equal(
            "metrics/needs",
            CodeOf(() => TextMetrics.Of(bare, new TextMetricOptions { Metrics = ["rouge"] }), "'rouge'", "1 of 3 prompts")
        );
        Assert.Equal(
            "metrics/needs",
            CodeOf(() => TextMetrics.Of(s_texts, new TextMetricOptions { Metrics = ["meteor"] }), "word-net", "'none'")
        );
        Assert.Equal("metrics/needs", CodeOf(() => TextMetrics.Of(s_texts, new TextMetricOptions { Metrics = ["spice"] }), "spice-jar"));
        Assert.Equal(
            "metrics/needs",
            CodeOf(() => TextMetrics.Of(s_texts[..1], new TextMetricOptions { Metrics = ["self-bleu"] }), "one text")
        );
        Assert.Equal(
            "metrics/unknown",
            CodeOf(() => TextMetrics.Of(s_texts, new TextMetricOptions { Metrics = ["rogue"] }), "rogue", "rouge")
        );
        Assert.Equal("metrics/empty", CodeOf(() => TextMetrics.Of([], new TextMetricOptions())));
    }

    /// <summary>Says how long six thousand pairs take; asserts figures only.</summary>
    [Fact(Explicit = true)]
    [Trait("Category", "Data")]
    public void SixThousandPairsAreMeasured()
    {
        PromptContinuation[] texts =
        [
            .. CaptionVectors
                .Read()
                .First()
                .Items.SelectMany(item =>
                    Enumerable
                        .Range(0, 4)
                        .Select(copy => new PromptContinuation($"p{copy}", string.Join(' ', item.Hypothesis))
                        {
                            References = [.. item.References.Select(words => string.Join(' ', words))],
                            Concepts = ["dog"],
                        })
                ),
        ];
        var options = new TextMetricOptions
        {
            WordNet = SharedData.Path("wordnet/wordnet-3.0.tar.xz"),
            Lexicon = SharedData.Path("lexicons/vader"),
        };

        foreach (var name in TextMetrics.Names.Where(name => name is not ("spice" or "bert-score")))
        {
            var watch = Stopwatch.StartNew();
            Assert.NotEmpty(TextMetrics.Of(texts, options with { Metrics = [name] }));
            TestContext.Current.TestOutputHelper?.WriteLine($"{name}: {watch.Elapsed.TotalSeconds:F2} s");
        }
    }
}
