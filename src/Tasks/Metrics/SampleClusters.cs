using DfPO.Models;

namespace DfPO.Tasks.Metrics;

/// <summary>The samples of an evaluation by prompt, summed up so that the figures of any choice of prompts take little time.</summary>
public sealed class SampleClusters
{
    private readonly Cluster[] _clusters;
    private readonly HashSet<string> _prompts;
    private readonly double[] _distinct;
    private readonly double[][] _influence;

    private SampleClusters(Cluster[] clusters)
    {
        (_clusters, _prompts) = (clusters, [.. clusters.Select(cluster => cluster.Prompt)]);
        var both = Enumerable.Range(0, 2).Select(n => Influence(clusters, n)).ToArray();
        (_distinct, _influence) = ([.. both.Select(one => one.Distinct)], [.. both.Select(one => one.Influence)]);
    }

    /// <summary>Ids of the prompts, in the order of their first samples.</summary>
    public IReadOnlyList<string> Prompts => [.. _clusters.Select(cluster => cluster.Prompt)];

    /// <summary>Whether the samples say how natural they are; those of runs before that was kept do not.</summary>
    public bool AreMeasured => _clusters.Any(cluster => cluster.Tokens > 0);

    /// <summary>Sums samples up.</summary>
    /// <param name="samples">In any order; those of a prompt have one <see cref="Sample.PromptId"/>.</param>
    public static SampleClusters Of(IReadOnlyList<Sample> samples)
    {
        Dictionary<string, int>[] ids =
        [
            [],
            [],
        ];
        return new([.. samples.GroupBy(sample => sample.PromptId).Select(prompt => Cluster.Of(prompt.Key, [.. prompt], ids))]);
    }

    /// <summary>Whether a prompt has samples.</summary>
    public bool Has(string prompt) => _prompts.Contains(prompt);

    /// <summary>Some of the prompts, in this order.</summary>
    /// <exception cref="KeyNotFoundException">One has no samples.</exception>
    public SampleClusters Only(IReadOnlyList<string> prompts)
    {
        var all = _clusters.ToDictionary(cluster => cluster.Prompt);
        return new([.. prompts.Select(prompt => all[prompt])]);
    }

    /// <summary>The figures of all prompts.</summary>
    public GenerationMetrics Metrics() => Metrics([.. Enumerable.Range(0, _clusters.Length)]);

    /// <summary>The figures of a resample: as many prompts as there are, each as often as it comes.</summary>
    /// <remarks>
    /// Distinct-n counts different things, of which a prompt that comes again has none to add, so resamples would vary with how often that
    /// happens. It is taken as linear in the prompts, each with its jackknife influence: what the figure loses without it (Efron and Stein,
    /// 1981).
    /// </remarks>
    /// <param name="places">Places in <see cref="Prompts"/>.</param>
    public GenerationMetrics Metrics(ReadOnlySpan<int> places)
    {
        double reward = 0,
            drawn = 0,
            policyKl = 0,
            crossEntropy = 0,
            kl = 0,
            distinct1 = 0,
            distinct2 = 0;
        long samples = 0,
            tokens = 0;
        foreach (var place in places)
        {
            var cluster = _clusters[place];
            samples += cluster.Samples;
            tokens += cluster.Tokens;
            reward += cluster.Reward;
            drawn += cluster.Drawn;
            policyKl += cluster.PolicyKl;
            crossEntropy += cluster.CrossEntropy;
            kl += cluster.Kl;
            distinct1 += _influence[0][place];
            distinct2 += _influence[1][place];
        }
        // Sums of a beam search are NaN, and so are the figures that it does not have.
        var perplexity = Math.Exp(drawn / tokens);
        return new(
            reward / samples,
            double.IsNaN(kl) ? perplexity : Math.Exp(crossEntropy / tokens),
            (crossEntropy - kl) / tokens,
            kl / tokens,
            _distinct[0] + distinct1 / places.Length,
            _distinct[1] + distinct2 / places.Length,
            tokens / (double)samples
        )
        {
            DrawnPerplexity = perplexity,
            PolicyKl = policyKl / tokens,
        };
    }

    /// <summary>Distinct-n of all, and of each prompt (n - 1) times what it loses without it, centred.</summary>
    private static (double Distinct, double[] Influence) Influence(Cluster[] clusters, int n)
    {
        var kinds = clusters.SelectMany(cluster => cluster.Kinds[n]).CountBy(kind => kind).ToDictionary();
        var words = clusters.Sum(cluster => cluster.Words[n]);
        var distinct = Share(kinds.Count, words);
        double[] influence =
        [
            .. clusters.Select(cluster =>
                words == cluster.Words[n]
                    ? 0
                    : (clusters.Length - 1)
                        * (distinct - Share(kinds.Count - cluster.Kinds[n].Count(kind => kinds[kind] == 1), words - cluster.Words[n]))
            ),
        ];
        var mean = influence.DefaultIfEmpty().Average();
        return (distinct, [.. influence.Select(value => value - mean)]);
    }

    private static double Share(long different, long all) => all == 0 ? 0 : different / (double)all;

    /// <summary>Sums over a prompt's samples; of its words how many, and the numbers of the different ones.</summary>
    private sealed record Cluster(
        string Prompt,
        int Samples,
        long Tokens,
        double Reward,
        double Drawn,
        double PolicyKl,
        double CrossEntropy,
        double Kl,
        long[] Words,
        int[][] Kinds
    )
    {
        public static Cluster Of(string prompt, Sample[] samples, Dictionary<string, int>[] ids)
        {
            string[][] texts = [.. samples.Select(sample => WordTokens.Of(sample.Continuation))];
            string[][] ngrams = [.. Enumerable.Range(1, 2).Select(n => (string[])[.. texts.SelectMany(words => Ngrams.Of(words, n))])];
            return new(
                prompt,
                samples.Length,
                samples.Sum(sample => (long)sample.Tokens),
                samples.Sum(sample => sample.Reward),
                samples.Sum(sample => sample.DrawnCrossEntropy),
                samples.Sum(sample => sample.PolicyKl),
                samples.Sum(sample => sample.Decoding?.CrossEntropy ?? double.NaN),
                samples.Sum(sample => sample.Decoding?.Kl ?? double.NaN),
                [.. ngrams.Select(all => (long)all.Length)],
                [.. ngrams.Select((all, n) => all.Select(ngram => Number(ids[n], ngram)).Distinct().ToArray())]
            );
        }

        private static int Number(Dictionary<string, int> ids, string ngram)
        {
            if (!ids.TryGetValue(ngram, out var id))
                ids[ngram] = id = ids.Count;
            return id;
        }
    }
}
