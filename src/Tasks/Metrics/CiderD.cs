namespace DfPO.Tasks.Metrics;

/// <summary>
/// CIDEr-D (Vedantam et al., 2015) as the COCO caption evaluation computes it: clipped cosine of tf-idf vectors of 1- to 4-grams with a
/// penalty on length, times 10.
/// </summary>
/// <remarks>Documents are the items' sets of references, so a score depends on the corpus; with a single item every score is 0.</remarks>
public sealed class CiderD
{
    private const int Order = 4;
    private const double Sigma = 6;

    private readonly Dictionary<string, int>[] _documents;
    private readonly double _logItems;

    /// <summary>Counts in how many items each n-gram stands.</summary>
    /// <param name="corpus">The references of each item, in words.</param>
    public CiderD(IReadOnlyCollection<IReadOnlyList<string[]>> corpus)
    {
        _logItems = Math.Log(corpus.Count);
        _documents =
        [
            .. Enumerable
                .Range(1, Order)
                .Select(n =>
                    Ngrams.Count(corpus.Select(references => references.SelectMany(words => Ngrams.Of(words, n)).Distinct().ToArray()), 1)
                ),
        ];
    }

    /// <summary>Scores of a corpus's items with the frequencies of that corpus, at least 0; exactly equal texts reach about 10.</summary>
    public static double[] Scores(IReadOnlyList<(string[] Hypothesis, IReadOnlyList<string[]> References)> items)
    {
        var cider = new CiderD([.. items.Select(item => item.References)]);
        return [.. items.Select(item => cider.Score(item.Hypothesis, item.References))];
    }

    /// <summary>Mean over the references of one item.</summary>
    /// <param name="hypothesis">Words.</param>
    /// <param name="references">At least one, each in words.</param>
    public double Score(string[] hypothesis, IReadOnlyList<string[]> references)
    {
        var vector = VectorOf(hypothesis);
        return 10 * references.Average(reference => Similarity(vector, VectorOf(reference)));
    }

    private static double Similarity(Vector hypothesis, Vector reference)
    {
        var total = 0.0;
        foreach (var (h, r) in hypothesis.Orders.Zip(reference.Orders))
        {
            var dot = h.Weights.Sum(gram => r.Weights.TryGetValue(gram.Key, out var weight) ? Math.Min(gram.Value, weight) * weight : 0);
            total += h.Norm > 0 && r.Norm > 0 ? dot / (h.Norm * r.Norm) : dot;
        }
        double difference = hypothesis.Bigrams - reference.Bigrams;
        return total / Order * Math.Exp(-difference * difference / (2 * Sigma * Sigma));
    }

    private Vector VectorOf(string[] words) =>
        new(
            [
                .. Enumerable
                    .Range(1, Order)
                    .Select(n =>
                    {
                        var weights = Ngrams
                            .Count(words, n)
                            .ToDictionary(
                                gram => gram.Key,
                                gram => gram.Value * (_logItems - Math.Log(Math.Max(1, _documents[n - 1].GetValueOrDefault(gram.Key))))
                            );
                        return (weights, Math.Sqrt(weights.Values.Sum(weight => weight * weight)));
                    }),
            ],
            // The original measures length in bigrams.
            Math.Max(0, words.Length - 1)
        );

    private sealed record Vector((Dictionary<string, double> Weights, double Norm)[] Orders, int Bigrams);
}
