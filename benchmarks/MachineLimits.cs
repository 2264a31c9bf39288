using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Benchmarks;

/// <summary>What this machine can do at best: reading memory, and large matrix products by dtype.</summary>
internal sealed record MachineLimits(double BytesPerSecond, IReadOnlyDictionary<ScalarType, double> FlopsPerSecond)
{
    public static MachineLimits Measure(IEnumerable<ScalarType> dtypes, int trials)
    {
        using var _ = no_grad();
        return new(Bandwidth(trials), dtypes.ToDictionary(dtype => dtype, dtype => MatmulRate(dtype, trials)));
    }

    private static double Bandwidth(int trials)
    {
        var threads = get_num_threads();
        // A gigabyte: what a server's caches hold between two readings is then a small share of it.
        var values = new float[256 << 20];
        Array.Fill(values, 1);
        var sums = new float[threads];
        var timing = Timing.Of(3 * trials, () =>
            Parallel.For(0, threads, new ParallelOptions { MaxDegreeOfParallelism = threads }, t =>
                sums[t] = Sum(values.AsSpan(values.Length / threads * t, values.Length / threads))
            )
        );
        return values.Length * (double)sizeof(float) / timing.Median;
    }

    private static float Sum(ReadOnlySpan<float> values)
    {
        Vector512<float> a = default,
            b = default,
            c = default,
            d = default;
        for (var i = 0; i + 64 <= values.Length; i += 64)
        {
            a += Vector512.LoadUnsafe(in values[i]);
            b += Vector512.LoadUnsafe(in values[i + 16]);
            c += Vector512.LoadUnsafe(in values[i + 32]);
            d += Vector512.LoadUnsafe(in values[i + 48]);
        }
        return Vector512.Sum(a + b + c + d);
    }

    private static double MatmulRate(ScalarType dtype, int trials)
    {
        const int Size = 1536;
        using var x = randn(Size, Size).to(dtype);
        using var y = randn(Size, Size).to(dtype);
        return 2.0 * Size * Size * Size / Timing.Of(3 * trials, () => matmul(x, y).Dispose()).Median;
    }
}
