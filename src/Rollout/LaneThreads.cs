using System.Runtime.ExceptionServices;
using static TorchSharp.torch;

namespace DfPO.Rollout;

/// <summary>Runs lanes side by side, each on a thread of its own with its share of the caller's torch threads; one after the other when there are too few.</summary>
internal static class LaneThreads
{
    /// <exception cref="Exception">The first lane's that failed; all have ended by then.</exception>
    public static void Run(IReadOnlyList<DecodingLane> lanes, Action<DecodingLane> work)
    {
        var threads = get_num_threads();
        if (lanes.Count == 1 || threads < lanes.Count)
        {
            foreach (var lane in lanes)
                work(lane);
            return;
        }
        var failures = new Exception?[lanes.Count];
        Thread[] others = [.. Enumerable.Range(0, lanes.Count).Select(i => new Thread(() =>
        {
            try
            {
                set_num_threads(threads / lanes.Count);
                work(lanes[i]);
            }
            catch (Exception e)
            {
                failures[i] = e;
            }
        })
        { IsBackground = true, Name = $"generation lane {i}" })];
        foreach (var thread in others)
            thread.Start();
        foreach (var thread in others)
            thread.Join();
        // The last count set is what threads to come inherit: give them the caller's again.
        set_num_threads(threads);
        if (failures.FirstOrDefault(failure => failure is not null) is { } failed)
            ExceptionDispatchInfo.Throw(failed);
    }
}
