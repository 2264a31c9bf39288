namespace DfPO.Actors.Weights;

/// <summary>Buffers that are used again, because fresh memory costs more than filling it. Thread-safe.</summary>
/// <param name="folder">See <see cref="WeightsBuffer"/>.</param>
internal sealed class WeightsBufferPool(string folder) : IDisposable
{
    private readonly List<WeightsBuffer> _free = [];
    private bool _disposed;

    /// <summary>A buffer of exactly this capacity, with whatever it held last.</summary>
    public WeightsBuffer Rent(long capacity)
    {
        lock (_free)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_free.Find(buffer => buffer.Capacity == capacity) is { } found)
            {
                _free.Remove(found);
                return found;
            }
        }
        return new WeightsBuffer(folder, capacity);
    }

    /// <summary>Takes a buffer back that nobody uses any more.</summary>
    public void Return(WeightsBuffer? buffer)
    {
        if (buffer is null)
            return;
        lock (_free)
        {
            if (!_disposed)
            {
                _free.Add(buffer);
                return;
            }
        }
        buffer.Dispose();
    }

    /// <summary>Frees what is not in use; what is in use is freed when it comes back.</summary>
    public void Dispose()
    {
        lock (_free)
        {
            _disposed = true;
            _free.ForEach(buffer => buffer.Dispose());
            _free.Clear();
        }
    }
}
