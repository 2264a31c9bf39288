namespace DfPO.Actors.Work;

/// <summary>
/// Circuit breaker of a worker: one that fails again and again gets no work for a while, so that a poisoned worker does not use up the
/// attempts of every unit. The pause doubles with each failure in a row; a success closes the circuit.
/// </summary>
/// <param name="Failures">Failures since the last success.</param>
/// <param name="PausedUntil">No work before this time.</param>
public sealed record WorkerHealth(int Failures, TimeSpan PausedUntil)
{
    private const int Tolerated = 1;
    private static readonly TimeSpan s_first = TimeSpan.FromSeconds(2),
        s_longest = TimeSpan.FromMinutes(1);

    /// <summary>Nothing is known against it.</summary>
    public static WorkerHealth Good { get; } = new(0, TimeSpan.Zero);

    /// <summary>After a failure.</summary>
    public WorkerHealth Failed(TimeSpan now)
    {
        var failures = Failures + 1;
        var pause = failures <= Tolerated ? TimeSpan.Zero : s_first * Math.Pow(2, Math.Min(failures - Tolerated - 1, 16));
        return new WorkerHealth(failures, now + (pause < s_longest ? pause : s_longest));
    }

    /// <summary>Whether it may get work.</summary>
    public bool MayWork(TimeSpan now) => now >= PausedUntil;
}
