using System.Threading.Channels;
using DfPO.Rollout.Serving;
using TorchSharp;

namespace DfPO.Host.Serving;

/// <summary>A continuation that somebody waits for.</summary>
internal sealed class ServedSequence(LiveSequence live)
{
    private readonly Channel<LiveToken> _tokens = Channel.CreateUnbounded<LiveToken>(new() { SingleReader = true, SingleWriter = true });
    private volatile bool _unwanted;

    public LiveSequence Live { get; } = live;

    /// <summary>Its tokens as they come; ends with the last, or with the loop's failure.</summary>
    public ChannelReader<LiveToken> Tokens => _tokens.Reader;

    public bool IsUnwanted => _unwanted;

    /// <summary>Nobody waits for it any more: it leaves before the next token.</summary>
    public void Abandon() => _unwanted = true;

    public void Give(LiveToken token)
    {
        _tokens.Writer.TryWrite(token);
        if (token.IsLast)
            _tokens.Writer.TryComplete();
    }

    public void Fail(Exception error) => _tokens.Writer.TryComplete(error);
}

/// <summary>The one thread that decodes: what waits joins between two tokens, as many as there is room for.</summary>
internal sealed class DecodingLoop : IDisposable
{
    private readonly Func<ContinuousBatch> _create;
    private readonly int _mostRows;
    private readonly int _queue;
    private readonly Lock _lock = new();
    private readonly Queue<ServedSequence> _waiting = [];
    private readonly SemaphoreSlim _work = new(0);
    private readonly Dictionary<LiveSequence, ServedSequence> _running = [];
    private readonly Thread _thread;
    private volatile bool _stopping;
    private long _drawn;

    /// <param name="create">Makes the batch, on the loop's thread; again after a failure.</param>
    /// <param name="mostRows">Most sequences side by side.</param>
    /// <param name="queue">Most sequences that wait.</param>
    /// <param name="threads">Torch threads of a pass; 0 leaves torch's own choice.</param>
    public DecodingLoop(Func<ContinuousBatch> create, int mostRows, int queue, int threads)
    {
        (_create, _mostRows, _queue) = (create, mostRows, queue);
        // A thread of its own: torch's count of threads is kept for each.
        _thread = new Thread(() => Run(threads)) { IsBackground = true, Name = "decoding" };
        _thread.Start();
    }

    /// <summary>Tokens drawn so far.</summary>
    public long Drawn => Interlocked.Read(ref _drawn);

    /// <summary>Lines sequences up, all or none.</summary>
    /// <returns>Whether there is room for them.</returns>
    public bool TryAdd(IReadOnlyList<ServedSequence> sequences)
    {
        lock (_lock)
        {
            if (_stopping || _waiting.Count + sequences.Count > _queue)
                return false;
            foreach (var sequence in sequences)
                _waiting.Enqueue(sequence);
        }
        _work.Release();
        return true;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stopping = true;
        _work.Release();
        _thread.Join();
        _work.Dispose();
    }

    private void Run(int threads)
    {
        if (threads > 0)
            torch.set_num_threads(threads);
        ContinuousBatch? batch = null;
        try
        {
            while (!_stopping)
            {
                try
                {
                    batch ??= _create();
                    Turn(batch);
                }
                catch (Exception e)
                {
                    // What was under way is lost; the next request finds a new batch.
                    FailAll(e);
                    batch?.Dispose();
                    batch = null;
                }
            }
        }
        finally
        {
            FailAll(new OperationCanceledException("The server stops."));
            batch?.Dispose();
        }
    }

    private void Turn(ContinuousBatch batch)
    {
        batch.Cancel(sequence => _running[sequence].IsUnwanted);
        foreach (var (live, _) in _running.Where(pair => pair.Value.IsUnwanted).ToArray())
            _running.Remove(live);
        var joining = Take(_mostRows - batch.Count);
        if (batch.Count == 0 && joining.Count == 0)
        {
            _work.Wait();
            return;
        }
        foreach (var sequence in joining)
            _running[sequence.Live] = sequence;
        foreach (var token in batch.Step([.. joining.Select(sequence => sequence.Live)]))
        {
            Interlocked.Increment(ref _drawn);
            _running[token.Sequence].Give(token);
            if (token.IsLast)
                _running.Remove(token.Sequence);
        }
    }

    private List<ServedSequence> Take(int room)
    {
        var taken = new List<ServedSequence>();
        lock (_lock)
            while (taken.Count < room && _waiting.TryDequeue(out var next))
                if (!next.IsUnwanted)
                    taken.Add(next);
        return taken;
    }

    private void FailAll(Exception error)
    {
        ServedSequence[] failed;
        lock (_lock)
        {
            failed = [.. _running.Values, .. _stopping ? _waiting : []];
            if (_stopping)
                _waiting.Clear();
        }
        _running.Clear();
        Array.ForEach(failed, sequence => sequence.Fail(error));
    }
}
