using System.Diagnostics;
using System.Globalization;
using DfPO.Models;

namespace DfPO.Security.Tests.Fuzz;

/// <summary>
/// Runs a parser on many wrong inputs: each is read, or refused in a line of our own; nothing else, and soon, and in little room.
/// </summary>
internal static class Fuzzing
{
    private const string CountVariable = "DFPO_FUZZ",
        SeedVariable = "DFPO_FUZZ_SEED",
        KeepVariable = "DFPO_FUZZ_KEEP";

    // A hundred thousand times what an input of a few kilobytes takes on an idle machine; this one may be busy.
    private static readonly TimeSpan s_longest = TimeSpan.FromSeconds(20);
    private const long MostBytes = 256L << 20;

    /// <summary>Inputs a parser; <c>DFPO_FUZZ</c> asks for more.</summary>
    private static int Count => Number(CountVariable) ?? 10_000;

    /// <summary>Feeds a parser.</summary>
    /// <param name="mutator">Makes the inputs.</param>
    /// <param name="parse">The parser.</param>
    /// <param name="isRefusal">What it may throw beside <see cref="DfpoException"/>, because its only caller catches it.</param>
    /// <param name="most">Inputs at most.</param>
    public static void Feed(Mutator mutator, Action<byte[]> parse, Func<Exception, bool>? isRefusal = null, int most = int.MaxValue)
    {
        var first = Number(SeedVariable) ?? 1;
        var (count, refused, read) = (Number(SeedVariable) is null ? Math.Min(Count, most) : 1, 0, 0);
        var (current, started) = (first, Stopwatch.GetTimestamp());
        using var watch = new Timer(
            _ =>
            {
                if (Stopwatch.GetElapsedTime(Volatile.Read(ref started)) > s_longest)
                    Environment.FailFast($"Fuzzing: the input of seed {current} is not done after {s_longest}. {SeedVariable}={current} repeats it.");
            },
            null,
            s_longest,
            TimeSpan.FromSeconds(1)
        );
        for (var seed = first; seed < first + count; seed++)
        {
            (current, _) = (seed, started = Stopwatch.GetTimestamp());
            var input = mutator.Make(seed);
            if (Environment.GetEnvironmentVariable(KeepVariable) is { Length: > 0 } kept)
                File.WriteAllBytes(kept, input);
            var before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                parse(input);
                read++;
            }
            catch (Exception e) when (e is DfpoException || isRefusal?.Invoke(e) is true)
            {
                refused++;
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"Seed {seed} ({SeedVariable}={seed} repeats it) gave {e.GetType().Name}: {e.Message}", e);
            }
            var used = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.True(used < MostBytes, $"Seed {seed} ({SeedVariable}={seed} repeats it) took {used >> 20} MB for {input.Length} bytes.");
        }
        // A parser that refuses everything, or nothing, was not tested.
        if (count >= 1000)
            Assert.True(refused > count / 100, $"only {refused} of {count} inputs were refused, {read} read");
    }

    private static int? Number(string variable) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
            : null;
}
