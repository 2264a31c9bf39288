namespace DfPO.Actors.Timing;

/// <summary>
/// The time of leases, patience and deadlines: how long this process has been at work. It never goes back, whatever the wall clock does. A
/// time in which the process stood still (a suspended machine, SIGSTOP) counts as one step, for nobody could have answered meanwhile.
/// </summary>
/// <param name="time">Gives the monotonic timestamps.</param>
/// <param name="step">The longest time between two looks that counts in full: longer than any wait of a process that runs.</param>
public sealed class ActiveClock(TimeProvider time, TimeSpan step)
{
    private long _looked = time.GetTimestamp();
    private TimeSpan _now;

    /// <summary>A look at the clock. It must come more often than a step: whoever has deadlines has a timer that looks.</summary>
    public TimeSpan Now
    {
        get
        {
            var looked = time.GetTimestamp();
            var passed = time.GetElapsedTime(_looked, looked);
            _looked = looked;
            return _now += passed < step ? passed : step;
        }
    }
}
