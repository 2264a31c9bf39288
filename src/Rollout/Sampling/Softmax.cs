using System.Numerics.Tensors;
using System.Runtime.Intrinsics;
using DfPO.Models;
using DfPO.Models.Policies;

namespace DfPO.Rollout.Sampling;

/// <summary>
/// Exponentials of one row of logits, kept with their sums by block, so that the softmax, its normaliser and a draw from it need one pass.
/// Sums run in a fixed order: the same row gives the same bits on any number of threads.
/// </summary>
internal sealed class Softmax(int vocabulary)
{
    private const int Block = 256;
    private readonly float[] _exponentials = new float[vocabulary];
    private readonly double[] _sums = new double[(vocabulary + Block - 1) / Block];

    /// <summary>Sum of <see cref="Exponentials"/>.</summary>
    public double Total { get; private set; }

    /// <summary><c>log sum exp</c> of the row.</summary>
    public float LogNormaliser { get; private set; }

    /// <summary><c>exp(x - max)</c>.</summary>
    public ReadOnlySpan<float> Exponentials => _exponentials;

    /// <summary>Computes them for a row.</summary>
    /// <exception cref="DfpoException"><c>generation/not-finite</c>: the row has a NaN or infinity, or nothing above minus
    /// infinity.</exception>
    public void Load(ReadOnlySpan<float> row)
    {
        var max = TensorPrimitives.Max(row);
        if (!float.IsFinite(max))
            throw new DfpoException(
                "generation/not-finite",
                "The model's logits are not finite: its weights have diverged; go back to an earlier checkpoint and lower the learning rate."
            );
        var shift = Vector512.Create(max);
        Total = 0;
        for (int block = 0, start = 0; start < row.Length; block++, start += Block)
        {
            var end = Math.Min(start + Block, row.Length);
            var sum = Vector512<float>.Zero;
            var i = start;
            for (; i + Vector512<float>.Count <= end; i += Vector512<float>.Count)
            {
                var e = Vector512.Exp(Vector512.LoadUnsafe(in row[i]) - shift);
                e.StoreUnsafe(ref _exponentials[i]);
                sum += e;
            }
            double total = Vector512.Sum(sum);
            for (; i < end; i++)
                total += _exponentials[i] = MathF.Exp(row[i] - max);
            Total += _sums[block] = total;
        }
        LogNormaliser = max + (float)Math.Log(Total);
    }

    /// <summary>The token at which the cumulated probability passes <paramref name="uniform"/>, in [0, 1).</summary>
    public int Draw(double uniform)
    {
        var rest = uniform * Total;
        var last = 0;
        for (var block = 0; block < _sums.Length; block++)
        {
            if (_sums[block] == 0)
                continue;
            // Rounding may leave the target a hair beyond the end: the last token with any probability takes it.
            last = block;
            if (rest < _sums[block])
                break;
            rest -= _sums[block];
        }
        var start = last * Block;
        var token = start;
        foreach (var e in _exponentials.AsSpan(start, Math.Min(Block, _exponentials.Length - start)))
        {
            if (e > 0)
            {
                last = token;
                if (rest < e)
                    break;
                rest -= e;
            }
            token++;
        }
        return last;
    }

    /// <summary>Cross-entropy and <c>KL</c> of the row's distribution under another.</summary>
    /// <param name="row">The row that was loaded; minus infinity where nothing can be drawn.</param>
    /// <param name="other">The other's logits, finite.</param>
    /// <param name="normaliser">The other's <see cref="LogNormaliser"/>.</param>
    public DecodingFigures Against(ReadOnlySpan<float> row, ReadOnlySpan<float> other, float normaliser)
    {
        var (own, others) = (Vector512.Create(LogNormaliser), Vector512.Create(normaliser));
        double crossEntropy = 0,
            kl = 0;
        for (var start = 0; start < row.Length; start += Block)
        {
            var end = Math.Min(start + Block, row.Length);
            var (crossEntropies, kls) = (Vector512<float>.Zero, Vector512<float>.Zero);
            var i = start;
            for (; i + Vector512<float>.Count <= end; i += Vector512<float>.Count)
            {
                var e = Vector512.LoadUnsafe(in _exponentials[i]);
                var logprob = Vector512.LoadUnsafe(in other[i]) - others;
                crossEntropies -= e * logprob;
                // 0 times minus infinity is no number, and counts nothing.
                kls += Vector512.ConditionalSelect(
                    Vector512.GreaterThan(e, Vector512<float>.Zero),
                    e * (Vector512.LoadUnsafe(in row[i]) - own - logprob),
                    Vector512<float>.Zero
                );
            }
            crossEntropy += Vector512.Sum(crossEntropies);
            kl += Vector512.Sum(kls);
            for (; i < end; i++)
                if (_exponentials[i] > 0)
                {
                    crossEntropy -= _exponentials[i] * (other[i] - normaliser);
                    kl += _exponentials[i] * (row[i] - LogNormaliser - (other[i] - normaliser));
                }
        }
        return new(crossEntropy / Total, Math.Max(0, kl / Total));
    }

    /// <summary><c>KL</c> of the row's distribution to another, from the log-ratio of each token.</summary>
    public double Kl(ReadOnlySpan<float> logRatios)
    {
        double total = 0;
        for (var start = 0; start < logRatios.Length; start += Block)
        {
            var length = Math.Min(Block, logRatios.Length - start);
            total += TensorPrimitives.Dot(_exponentials.AsSpan(start, length), logRatios.Slice(start, length));
        }
        return Math.Max(0, total / Total);
    }

    /// <summary>Standard deviation of the log-ratios under the row's distribution.</summary>
    /// <param name="logRatios">Of each token; where the probability is 0 they count for nothing, if they are finite.</param>
    /// <param name="mean">Their mean, which <see cref="Kl"/> is.</param>
    public double Deviation(ReadOnlySpan<float> logRatios, double mean)
    {
        double total = 0;
        for (var token = 0; token < logRatios.Length; token++)
            total += _exponentials[token] * (logRatios[token] - mean) * (logRatios[token] - mean);
        return Math.Sqrt(total / Total);
    }
}
