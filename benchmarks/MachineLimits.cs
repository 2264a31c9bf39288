using System.Diagnostics;
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

    /// <summary>Seconds of the fastest of several runs, after one that does not count.</summary>
    public static double Best(int trials, Action action)
    {
        action();
        return Enumerable
            .Range(0, trials)
            .Min(_ =>
            {
                var start = Stopwatch.GetTimestamp();
                action();
                return Stopwatch.GetElapsedTime(start).TotalSeconds;
            });
    }

    private static double Bandwidth(int trials)
    {
        var threads = get_num_threads();
        var values = new float[64 << 20];
        Array.Fill(values, 1);
        var sums = new float[threads];
        var seconds = Best(3 * trials, () =>
            Parallel.For(0, threads, new ParallelOptions { MaxDegreeOfParallelism = threads }, t =>
                sums[t] = Sum(values.AsSpan(values.Length / threads * t, values.Length / threads))
            )
        );
        return values.Length * (double)sizeof(float) / seconds;
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
        return 2.0 * Size * Size * Size / Best(trials, () => matmul(x, y).Dispose());
    }
}
