using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;

namespace DfPO.Actors.Security;

/// <summary>
/// What a connection sends, handed to its socket by whoever flushes, so that memory which somebody else owns is sent from where it lies.
/// Kestrel's own way is to copy everything into small blocks that another thread hands to the socket in long lists: two thirds more
/// processor time for weights.
/// </summary>
/// <remarks>
/// <code>
///                 GetMemory, Advance
/// heads, errors  --------------------->  own: a rented array, copied   \
///                 Lend                                                  >  FlushAsync: first own, then lent  -->  socket
/// weights        --------------------->  lent: where they lie          /
/// </code>
/// One writer at a time, as for every pipe. A slow peer holds up <see cref="FlushAsync"/>, for as long as Kestrel's limits let it.
/// </remarks>
internal sealed class SocketOutput : PipeWriter
{
    private readonly Socket _socket;
    private readonly PipeWriter _transport;
    private byte[] _own = [];
    private int _written;
    private ReadOnlyMemory<byte> _offered;
    private ReadOnlyMemory<byte> _lent;
    private bool _broken;

    private SocketOutput(Socket socket, PipeWriter transport) => (_socket, _transport) = (socket, transport);

    /// <inheritdoc/>
    public override bool CanGetUnflushedBytes => true;

    /// <inheritdoc/>
    public override long UnflushedBytes => _written + _lent.Length;

    /// <summary>Puts an output between a connection and its socket, where <c>connection.Features</c> has it from then on.</summary>
    public static void Attach(ConnectionContext connection)
    {
        if (connection.Features.Get<IConnectionSocketFeature>()?.Socket is not { } socket)
            return;
        var output = new SocketOutput(socket, connection.Transport.Output);
        connection.Transport = new Duplex(connection.Transport.Input, output);
        connection.Features.Set(output);
    }

    /// <summary>Writes bytes without copying them: they must stay until they are flushed, which is the next thing to do.</summary>
    /// <param name="body">The body of a response on this connection.</param>
    /// <param name="bytes">Bytes, at least one.</param>
    /// <returns>False when the body does not write to this output directly; nothing has been written then.</returns>
    public bool Lend(PipeWriter body, ReadOnlyMemory<byte> bytes)
    {
        // Kestrel counts the bytes of a body: so it must believe that it has given the memory, and that we have filled it.
        _offered = bytes;
        body.GetMemory(bytes.Length);
        var taken = _offered.IsEmpty;
        _offered = default;
        if (taken)
            body.Advance(bytes.Length);
        return taken;
    }

    /// <inheritdoc/>
    public override Memory<byte> GetMemory(int sizeHint = 0)
    {
        if (!_offered.IsEmpty)
        {
            (_lent, _offered) = (_offered, default);
            return MemoryMarshal.AsMemory(_lent);
        }
        var needed = _written + Math.Max(sizeHint, 1);
        if (_own.Length < needed)
        {
            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(needed, 4096));
            _own.AsSpan(0, _written).CopyTo(larger);
            GiveBack();
            _own = larger;
        }
        return _own.AsMemory(_written);
    }

    /// <inheritdoc/>
    public override Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    /// <inheritdoc/>
    public override void Advance(int bytes)
    {
        if (_lent.IsEmpty)
            _written += bytes;
    }

    /// <inheritdoc/>
    public override async ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        try
        {
            await Send(_own.AsMemory(0, _written), cancellationToken).ConfigureAwait(false);
            await Send(_lent, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // To Kestrel it is as if nobody read from its pipe any more.
            _broken = true;
        }
        finally
        {
            (_written, _lent) = (0, default);
            // A connection at rest holds no memory.
            GiveBack();
        }
        return new FlushResult(isCanceled: false, isCompleted: _broken);
    }

    /// <inheritdoc/>
    public override void CancelPendingFlush()
    {
        // Who aborts a connection closes its socket, which ends a flush.
    }

    /// <inheritdoc/>
    public override void Complete(Exception? exception = null)
    {
        GiveBack();
        _transport.Complete(exception);
    }

    private async ValueTask Send(ReadOnlyMemory<byte> bytes, CancellationToken cancellation)
    {
        while (!_broken && bytes.Length > 0)
            bytes = bytes[await _socket.SendAsync(bytes, SocketFlags.None, cancellation).ConfigureAwait(false)..];
    }

    private void GiveBack()
    {
        if (_own.Length > 0)
            ArrayPool<byte>.Shared.Return(_own);
        _own = [];
    }

    private sealed class Duplex(PipeReader input, PipeWriter output) : IDuplexPipe
    {
        public PipeReader Input => input;

        public PipeWriter Output => output;
    }
}
