using DfPO.Models;

namespace DfPO.Tasks.Metrics;

/// <summary>The samples of an evaluation by prompt, summed up so that the figures of any choice of prompts take little time. Not thread-safe.</summary>
public sealed class SampleClusters
{
    private readonly Cluster[] _clusters;
    private readonly Dictionary<string, int> _places;
    private readonly int[][] _seen;
    private int _turn;

    private SampleClusters(Cluster[] clusters, int[] kinds) =>
        (_clusters, _places, _seen) = (clusters, clusters.Index().ToDictionary(cluster => cluster.Item.Prompt, cluster => cluster.Index), [.. kinds.Select(count => new int[count])]);

    /// <summary>Ids of the prompts, in the order of their first samples.</summary>
    public IReadOnlyList<string> Prompts => [.. _clusters.Select(cluster => cluster.Prompt)];

    /// <summary>Whether the samples say how natural they are; those of runs before that was kept do not.</summary>
    public bool AreMeasured => _clusters.Any(cluster => cluster.Tokens > 0);

    /// <summary>Sums samples up.</summary>
    /// <param name="samples">In any order; those of a prompt have one <see cref="Sample.PromptId"/>.</param>
    public static SampleClusters Of(IReadOnlyList<Sample> samples)
    {
        Dictionary<string, int>[] ids = [[], []];
        Cluster[] clusters = [.. samples.GroupBy(sample => sample.PromptId).Select(prompt => Cluster.Of(prompt.Key, [.. prompt], ids))];
        return new(clusters, [.. ids.Select(kinds => kinds.Count)]);
    }

    /// <summary>The figures of all prompts.</summary>
    public GenerationMetrics Metrics() => Metrics([.. Enumerable.Range(0, _clusters.Length)]);

    /// <summary>Whether a prompt has samples.</summary>
    public bool Has(string prompt) => _places.ContainsKey(prompt);

    /// <summary>The places of prompts.</summary>
    /// <exception cref="KeyNotFoundException">One is not among <see cref="Prompts"/>.</exception>
    public int[] Places(IEnumerable<string> prompts) => [.. prompts.Select(prompt => _places[prompt])];

    /// <summary>The figures of some prompts; one that comes twice counts twice, except for what its words add to the different ones.</summary>
    /// <param name="places">Places in <see cref="Prompts"/>.</param>
    public GenerationMetrics Metrics(ReadOnlySpan<int> places)
    {
        double reward = 0, drawn = 0, policyKl = 0, crossEntropy = 0, kl = 0;
        long samples = 0, tokens = 0;
        Span<long> words = stackalloc long[2], different = stackalloc long[2];
        words.Clear();
        different.Clear();
        _turn++;
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
            for (var n = 0; n < 2; n++)
            {
                words[n] += cluster.Words[n];
                foreach (var kind in cluster.Kinds[n])
                    if (_seen[n][kind] != _turn)
                    {
                        _seen[n][kind] = _turn;
                        different[n]++;
                    }
            }
        }
        // Sums of a beam search are NaN, and so are the figures that it does not have.
        var perplexity = Math.Exp(drawn / tokens);
        return new(reward / samples, double.IsNaN(kl) ? perplexity : Math.Exp(crossEntropy / tokens), (crossEntropy - kl) / tokens, kl / tokens,
            Share(different[0], words[0]), Share(different[1], words[1]), tokens / (double)samples) { DrawnPerplexity = perplexity, PolicyKl = policyKl / tokens };
    }

    private static double Share(long different, long all) => all == 0 ? 0 : different / (double)all;

    /// <summary>Sums over a prompt's samples; of its words how many, and the numbers of the different ones.</summary>
    private sealed record Cluster(string Prompt, int Samples, long Tokens, double Reward, double Drawn, double PolicyKl, double CrossEntropy, double Kl, long[] Words, int[][] Kinds)
    {
        public static Cluster Of(string prompt, Sample[] samples, Dictionary<string, int>[] ids)
        {
            string[][] texts = [.. samples.Select(sample => WordTokens.Of(sample.Continuation))];
            string[][] ngrams = [.. Enumerable.Range(1, 2).Select(n => (string[])[.. texts.SelectMany(words => Ngrams.Of(words, n))])];
            return new(prompt, samples.Length, samples.Sum(sample => (long)sample.Tokens), samples.Sum(sample => sample.Reward), samples.Sum(sample => sample.DrawnCrossEntropy),
                samples.Sum(sample => sample.PolicyKl), samples.Sum(sample => sample.Decoding?.CrossEntropy ?? double.NaN), samples.Sum(sample => sample.Decoding?.Kl ?? double.NaN),
                [.. ngrams.Select(all => (long)all.Length)], [.. ngrams.Select((all, n) => all.Select(ngram => Number(ids[n], ngram)).Distinct().ToArray())]);
        }

        private static int Number(Dictionary<string, int> ids, string ngram)
        {
            if (!ids.TryGetValue(ngram, out var id))
                ids[ngram] = id = ids.Count;
            return id;
        }
    }
}
