using System.Runtime.ExceptionServices;
using static TorchSharp.torch;

namespace DfPO.Rollout;

/// <summary>
/// Runs independent pieces of torch work, by default each with one torch thread and as many side by side as the caller has torch threads.
/// Kernels may round differently when they share their work out, so this is what makes results the same on any number of cores.
/// </summary>
internal static class TorchThreads
{
    /// <param name="pieces">The work.</param>
    /// <param name="alone">Most torch threads for a piece that has nothing beside it.</param>
    /// <exception cref="Exception">The first piece's that failed; all have ended by then.</exception>
    public static void Run(IReadOnlyList<Action> pieces, int alone = 1)
    {
        var threads = get_num_threads();
        try
        {
            if (pieces.Count == 1 || threads == 1)
            {
                set_num_threads(pieces.Count == 1 ? Math.Min(threads, alone) : 1);
                foreach (var piece in pieces)
                    piece();
                return;
            }
            RunSideBySide(pieces, Math.Min(threads, pieces.Count));
        }
        finally
        {
            // The last count set is also what threads to come inherit.
            set_num_threads(threads);
        }
    }

    private static void RunSideBySide(IReadOnlyList<Action> pieces, int count)
    {
        var failures = new Exception?[pieces.Count];
        var next = -1;
        void Work()
        {
            set_num_threads(1);
            for (var i = Interlocked.Increment(ref next); i < pieces.Count; i = Interlocked.Increment(ref next))
            {
                try
                {
                    pieces[i]();
                }
                catch (Exception e)
                {
                    failures[i] = e;
                }
            }
        }
        // Threads of its own, not the pool's: a pool thread would keep the count set on it.
        Thread[] workers = [.. Enumerable.Range(0, count).Select(i => new Thread(Work) { IsBackground = true, Name = $"torch work {i}" })];
        foreach (var worker in workers)
            worker.Start();
        foreach (var worker in workers)
            worker.Join();
        if (failures.FirstOrDefault(failure => failure is not null) is { } failed)
            ExceptionDispatchInfo.Throw(failed);
    }
}
