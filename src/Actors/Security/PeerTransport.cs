using Akka.Actor;
using Akka.Event;
using Akka.Remote.Transport;
using DfPO.Models;
using Address = Akka.Actor.Address;

namespace DfPO.Actors.Security;

/// <summary>Puts <see cref="PeerTransport"/> around Akka's transport; made by its name in the configuration.</summary>
public sealed class PeerTransportProvider : ITransportAdapterProvider
{
    /// <inheritdoc/>
    public Transport Create(Transport wrappedTransport, ExtendedActorSystem system) => new PeerTransport(wrappedTransport, system);
}

/// <summary>
/// Stands between Akka's TCP and its protocol. It limits connections, which DotNetty does not, and holds every connection to what its
/// first words and its certificate say: who it is, and in whose name it may speak (<see cref="PeerRules"/>). Wire form and addresses stay
/// Akka's.
/// </summary>
internal sealed class PeerTransport : Transport
{
    private readonly Transport _inner;

    public PeerTransport(Transport inner, ExtendedActorSystem system)
    {
        (_inner, System, Config) = (inner, system, inner.Config);
        Peers = Peers.Of(system);
        Log = new Complaints(Logging.GetLogger(system, "peers"));
    }

    /// <summary>Configuration that puts it in its place.</summary>
    internal const string Hocon = """
        akka.remote {
          # No space in it: Akka would take the quotes as a part of the name.
          adapters.dfpo-peers = "DfPO.Actors.Security.PeerTransportProvider,DfPO.Actors"
          dot-netty.tcp.applied-adapters = ["dfpo-peers"]
        }
        """;

    /// <summary>Who is connected.</summary>
    public Peers Peers { get; }

    /// <summary>Where refusals are told.</summary>
    public Complaints Log { get; }

    /// <summary>Inbound connections.</summary>
    public ConnectionLimit Connections { get; } = new();

    /// <inheritdoc/>
    public override string SchemeIdentifier => _inner.SchemeIdentifier;

    /// <inheritdoc/>
    public override long MaximumPayloadBytes => _inner.MaximumPayloadBytes;

    /// <inheritdoc/>
    public override async Task<(Address, TaskCompletionSource<IAssociationEventListener>)> Listen()
    {
        var (address, listening) = await _inner.Listen().ConfigureAwait(false);
        var ours = new TaskCompletionSource<IAssociationEventListener>();
        _ = ours.Task.ContinueWith(
            listener => listening.TrySetResult(new Door(this, listener.Result)),
            CancellationToken.None,
            TaskContinuationOptions.OnlyOnRanToCompletion | TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default
        );
        return (address, ours);
    }

    /// <inheritdoc/>
    public override bool IsResponsibleFor(Address remote) => _inner.IsResponsibleFor(remote);

    /// <inheritdoc/>
    public override async Task<AssociationHandle> Associate(Address remoteAddress) =>
        new PeerConnection(await _inner.Associate(remoteAddress).ConfigureAwait(false), this, isOutbound: true);

    /// <inheritdoc/>
    public override Task<bool> Shutdown() => _inner.Shutdown();

    /// <inheritdoc/>
    public override Task<bool> ManagementCommand(object message) => _inner.ManagementCommand(message);

    /// <summary>Lets connections in, or not.</summary>
    private sealed class Door(PeerTransport transport, IAssociationEventListener listener) : IAssociationEventListener
    {
        public void Notify(IAssociationEvent ev)
        {
            if (ev is not InboundAssociation { Association: var handle })
                listener.Notify(ev);
            else if (transport.Connections.Open(handle.RemoteAddress.Host))
                listener.Notify(new InboundAssociation(new PeerConnection(handle, transport, isOutbound: false)));
            else
            {
                transport.Log.Say(
                    $"a connection from {handle.RemoteAddress.Host} was closed: {transport.Connections.Waiting} connections have not said yet who they are, and {transport.Connections.All} are open"
                );
                handle.Disassociate("too many connections", transport.Log.Logger);
            }
        }
    }
}

/// <summary>How many connections from others a node holds. Thread-safe.</summary>
internal sealed class ConnectionLimit
{
    /// <summary>Most connections in all: more than workers that one learner can feed.</summary>
    public const int Most = 1024;

    /// <summary>Most connections that have not said who they are, which Akka gives fifteen seconds for.</summary>
    public const int MostWaiting = 128;

    /// <summary>Most of those from one address.</summary>
    public const int MostWaitingOfOne = 64;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, int> _waiting = [];

    /// <summary>Connections that are open.</summary>
    public int All { get; private set; }

    /// <summary>Those that have not said who they are.</summary>
    public int Waiting { get; private set; }

    /// <summary>A connection asks to be let in; false where there is no room.</summary>
    public bool Open(string host)
    {
        lock (_gate)
        {
            var ofOne = _waiting.GetValueOrDefault(host);
            if (All >= Most || Waiting >= MostWaiting || ofOne >= MostWaitingOfOne)
                return false;
            _waiting[host] = ofOne + 1;
            (All, Waiting) = (All + 1, Waiting + 1);
            return true;
        }
    }

    /// <summary>It has said who it is.</summary>
    public void Introduced(string host)
    {
        lock (_gate)
            LeaveWaiting(host);
    }

    /// <summary>It has ended.</summary>
    public void Close(string host, bool introduced)
    {
        lock (_gate)
        {
            All--;
            if (!introduced)
                LeaveWaiting(host);
        }
    }

    private void LeaveWaiting(string host)
    {
        Waiting--;
        if (_waiting[host] > 1)
            _waiting[host]--;
        else
            _waiting.Remove(host);
    }
}

/// <summary>Warnings of what others do, who decide how often: one a second at most, with the number of those left out.</summary>
internal sealed class Complaints(ILoggingAdapter logger)
{
    private readonly Lock _gate = new();
    private long _last = long.MinValue / 2;
    private int _leftOut;

    /// <summary>Where they go.</summary>
    public ILoggingAdapter Logger => logger;

    /// <summary>Says it, or counts it.</summary>
    public void Say(string what)
    {
        int leftOut;
        lock (_gate)
        {
            if (Environment.TickCount64 - _last < 1000)
            {
                _leftOut++;
                return;
            }
            (_last, leftOut, _leftOut) = (Environment.TickCount64, _leftOut, 0);
        }
        logger.Warning("Peers: {0}{1}", PlainText.Of(what), leftOut > 0 ? $" ({leftOut} more like it)" : "");
    }
}
