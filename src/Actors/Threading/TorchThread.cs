using System.Collections.Concurrent;
using System.Diagnostics;
using TorchSharp;

namespace DfPO.Actors.Threading;

/// <summary>
/// One operating-system thread that does all torch work of one owner. Gradient modes and dispose scopes are thread-local in TorchSharp, and
/// OpenMP keeps a team a calling thread, so torch work must not wander over a thread pool.
/// </summary>
public sealed class TorchThread : IDisposable
{
    private static readonly TimeSpan s_stopPatience = TimeSpan.FromSeconds(10);
    private readonly BlockingCollection<Action> _work = [];
    private readonly Thread _thread;

    /// <summary>Starts the thread.</summary>
    /// <param name="name">Name in debuggers and dumps.</param>
    /// <param name="torchThreads">Threads of one torch operation; 0 means one a processor.</param>
    public TorchThread(string name, int torchThreads)
    {
        _thread = new Thread(() =>
        {
            foreach (var action in _work.GetConsumingEnumerable())
            {
                // Before each piece, because half of the setting (MKL) belongs to the process, and rounding may depend on it.
                torch.set_num_threads(torchThreads > 0 ? torchThreads : Environment.ProcessorCount);
                action();
            }
        })
        {
            Name = name,
            IsBackground = true,
        };
        _thread.Start();
    }

    /// <summary>Queues work; the current activity becomes its parent. The task's continuations never run on this thread.</summary>
    public Task<T> Run<T>(Func<T> work)
    {
        var completion = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        var parent = Activity.Current;
        _work.Add(() =>
        {
            Activity.Current = parent;
            try
            {
                completion.SetResult(work());
            }
            catch (OperationCanceledException e)
            {
                completion.SetCanceled(e.CancellationToken);
            }
            catch (Exception e)
            {
                completion.SetException(e);
            }
            finally
            {
                Activity.Current = null;
            }
        });
        return completion.Task;
    }

    /// <summary>Lets queued work finish, within bounds, and ends the thread.</summary>
    public void Dispose()
    {
        _work.CompleteAdding();
        if (Thread.CurrentThread != _thread && _thread.Join(s_stopPatience))
            _work.Dispose();
    }
}
