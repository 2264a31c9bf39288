using System.Net;
using Akka.Cluster;
using Akka.Cluster.Hosting;
using Akka.Event;
using Akka.Hosting;
using Akka.Remote.Hosting;
using DfPO.Actors.Experiments;
using DfPO.Actors.Security;
using DfPO.Actors.Serialization;
using static DfPO.Actors.Work.WorkProtocol;

namespace DfPO.Actors.Clustering;

/// <summary>Remoting, cluster and serialisers, the same in every process.</summary>
public static class DfpoClusterExtensions
{
    /// <summary>Name of the actor system, which is part of every address.</summary>
    public const string SystemName = "dfpo";

    private const string Tuning = """
        akka {
          loglevel = WARNING
          # The host stops the system when the run has ended; the hook would do it at Ctrl-C, in the middle of an iteration.
          coordinated-shutdown.run-by-clr-shutdown-hook = off
          log-dead-letters = off
          log-dead-letters-during-shutdown = off
          remote.dot-netty.tcp.maximum-frame-size = 8MiB
          remote.dot-netty.tcp.send-buffer-size = 16MiB
          remote.dot-netty.tcp.receive-buffer-size = 16MiB
          remote.retry-gate-closed-for = 1s
          cluster {
            gossip-interval = 200ms
            leader-actions-interval = 200ms
            unreachable-nodes-reaper-interval = 200ms
            periodic-tasks-initial-delay = 200ms
            retry-unsuccessful-join-after = 2s
            seed-node-timeout = 2s
            failure-detector.heartbeat-interval = 500ms
            failure-detector.acceptable-heartbeat-pause = 4s
            failure-detector.expected-response-after = 500ms
            split-brain-resolver { stable-after = 4s, down-all-when-unstable = off }
          }
        }
        """;

    /// <summary>Adds the cluster.</summary>
    /// <param name="builder">The actor system.</param>
    /// <param name="host">Name or address to be reached at.</param>
    /// <param name="port">Port; 0 picks a free one.</param>
    /// <param name="roles">Roles of this process.</param>
    /// <param name="join">Addresses of members as <c>host:port</c>, any of which will do; empty starts a cluster.</param>
    /// <param name="identity">Certificate and authority of mutual TLS; null for plain connections, which only members without one can
    /// join.</param>
    /// <param name="bind">Address to listen at; null takes the host's.</param>
    public static AkkaConfigurationBuilder WithDfpoCluster(
        this AkkaConfigurationBuilder builder,
        string host,
        int port,
        string[] roles,
        IReadOnlyList<string> join,
        NodeIdentity? identity = null,
        IPAddress? bind = null
    )
    {
        var peers = new Peers(identity);
        return builder
            .AddSetup(peers)
            .WithRemoting(Remoting(host, bind, port, identity, peers))
            .WithClustering(
                new ClusterOptions
                {
                    Roles = roles,
                    // The scheme must be this node's own: Akka floods the log when it dials one that it has no transport for.
                    SeedNodes = [.. join.Select(member => $"akka.{(identity is null ? "tcp" : "ssl.tcp")}://{SystemName}@{member}")],
                }
            )
            .WithCustomSerializer("dfpo-work", [typeof(IWireMessage)], system => new WorkSerializer(system))
            // Last, because the last prepended wins over the typed options' own defaults.
            .AddHocon(LearnerLease.Hocon, HoconAddMode.Prepend)
            .AddHocon(Tuning, HoconAddMode.Prepend)
            .AddHocon(PeerTransport.Hocon, HoconAddMode.Prepend)
            .AddStartup((system, _) => peers.See(Cluster.Get(system)))
            .WithWireGuard(ExperimentProtocol.SelectedPaths)
            .WithFailedDialsSurvived();
    }

    private static RemoteOptions Remoting(string host, IPAddress? bind, int port, NodeIdentity? identity, Peers peers)
    {
        var options = new RemoteOptions
        {
            HostName = bind?.ToString() ?? host,
            PublicHostName = host,
            Port = port,
        };
        if (identity is null)
            return options;
        options.EnableSsl = true;
        options.Ssl = new SslOptions
        {
            X509Certificate = identity.Certificate,
            RequireMutualAuthentication = true,
            SuppressValidation = false,
            ValidateCertificateHostname = true,
            CustomValidator = (certificate, chain, peer, errors, log) =>
            {
                if (identity.Refusal(certificate, chain, errors) is not { } reason)
                {
                    peers.Present(peer, NodeCertificate.Of(certificate!));
                    return true;
                }
                log.Warning("Node {0} was refused: {1}", peer, reason);
                return false;
            },
        };
        return options;
    }
}
