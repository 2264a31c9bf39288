using Akka.Remote.Transport;
using DfPO.Actors.Security.Wire;
using Google.Protobuf;

namespace DfPO.Actors.Security;

/// <summary>A connection that is held to what it said first.</summary>
internal sealed class PeerConnection : AssociationHandle, IHandleEventListener
{
    private const int Associate = 1;

    // Old gossip crosses new in every cluster; who goes on with it means it.
    private const int PatienceWithGossip = 20;
    private readonly AssociationHandle _inner;
    private readonly PeerTransport _transport;
    private readonly bool _isOutbound;
    private readonly Lock _gate = new();
    private IHandleEventListener? _listener;
    private Peer? _peer;
    private bool _closed;
    private int _unbelieved;

    public PeerConnection(AssociationHandle inner, PeerTransport transport, bool isOutbound)
        : base(inner.LocalAddress, inner.RemoteAddress)
    {
        (_inner, _transport, _isOutbound) = (inner, transport, isOutbound);
        _ = ReadHandlerSource.Task.ContinueWith(
            listener =>
            {
                _listener = listener.Result;
                inner.ReadHandlerSource.TrySetResult(this);
            },
            CancellationToken.None,
            TaskContinuationOptions.OnlyOnRanToCompletion | TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default
        );
    }

    /// <inheritdoc/>
    public override bool Write(ByteString payload) => _inner.Write(payload);

    /// <inheritdoc/>
    [Obsolete("Akka's own way to say it, with a reason, ends here.")]
    public override void Disassociate()
    {
        _inner.Disassociate();
        Close();
    }

    /// <summary>Something came from the other end. One call at a time.</summary>
    public void Notify(IHandleEvent ev)
    {
        if (ev is Disassociated)
            Close();
        else if (ev is InboundPayload { Payload: var frame } && !Passes(frame))
            return;
        _listener!.Notify(ev);
    }

    private bool Passes(ByteString bytes)
    {
        Verdict verdict;
        try
        {
            var frame = Frame.Parser.WithDiscardUnknownFields(true).ParseFrom(bytes);
            verdict = frame.Payload.IsEmpty ? Judge(frame.Instruction) : Judge(frame.Payload);
        }
        catch (InvalidProtocolBufferException)
        {
            verdict = new("a frame that cannot be read");
        }
        if (verdict.Reason is not { } reason)
        {
            _unbelieved = 0;
            return true;
        }
        if (!verdict.IsForged && ++_unbelieved < PatienceWithGossip)
            return false;
        _unbelieved = 0;
        _transport.Log.Say($"{_peer?.ToString() ?? RemoteAddress.Host} sent {reason}; it was not read{(verdict.IsForged ? ", and the connection is closed" : "")}");
        if (verdict.IsForged)
        {
            _inner.Disassociate(reason, _transport.Log.Logger);
            Close();
            _listener!.Notify(new Disassociated(DisassociateInfo.Unknown));
        }
        return false;
    }

    private Verdict Judge(ByteString payload) =>
        _peer is { } peer ? PeerRules.Judge(payload, peer, _transport.Peers) : new("a message before it said who it is");

    private Verdict Judge(Instruction? instruction)
    {
        if (instruction is null or { Command: not Associate })
            return Verdict.Pass;
        if (instruction.Handshake?.Origin is not { } origin)
            return new("a handshake without an address");
        var peer = new Peer(
            origin.System,
            origin.Host,
            (int)origin.Port,
            (int)instruction.Handshake.Uid,
            _transport.Peers.Certificate(RemoteAddress, _isOutbound)
        );
        if (_peer is not null)
            return new("a second handshake");
        if (_isOutbound && (peer.Host, peer.Port) != (RemoteAddress.Host, RemoteAddress.Port))
            return new($"that it is {peer.Host}:{peer.Port}, and is not the node that was dialled");
        if (_transport.Peers.Take(peer) is { } refusal)
            return new($"that it is {peer.Host}:{peer.Port}, but {refusal}");
        lock (_gate)
        {
            if (_closed)
            {
                _transport.Peers.Release(peer);
                return new("its address after it had closed");
            }
            _peer = peer;
            if (!_isOutbound)
                _transport.Connections.Introduced(RemoteAddress.Host);
        }
        return Verdict.Pass;
    }

    private void Close()
    {
        lock (_gate)
        {
            if (_closed)
                return;
            _closed = true;
            if (_peer is { } peer)
                _transport.Peers.Release(peer);
            if (!_isOutbound)
                _transport.Connections.Close(RemoteAddress.Host, _peer is not null);
        }
        _transport.Peers.Forget(RemoteAddress, _isOutbound);
    }
}
