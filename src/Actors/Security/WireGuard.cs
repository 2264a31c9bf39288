using Akka.Actor;
using Akka.Configuration;
using Akka.Dispatch.SysMsg;
using Akka.Hosting;
using Akka.Remote.Serialization;
using Akka.Serialization;
using Akka.Util;

namespace DfPO.Actors.Security;

/// <summary>
/// What a peer may say. Akka's own serialisers build any type that a message names (JSON, protobuf, remote deployment, and exceptions
/// inside status and system messages), and its system messages let a stranger suspend or restart actors; strict serialisation guards only
/// the sender and untrusted mode drops a message only after it was built. So everything that nodes do not need is refused before it is
/// read.
/// </summary>
internal static class WireGuard
{
    private static readonly Dictionary<string, Type> s_nothing = [];

    // Looking an actor up, and the heartbeats of watching one.
    private static readonly Dictionary<string, Type> s_miscellaneous = new[] { "ID", "AID", "RWHB", "RWHR" }.ToDictionary(
        manifest => manifest,
        _ => typeof(object)
    );

    private static readonly Dictionary<string, Type> s_watching = new[]
    {
        typeof(Watch),
        typeof(Unwatch),
        typeof(DeathWatchNotification),
    }.ToDictionary(type => type.TypeQualifiedName());

    // How nodes join, beat and watch.
    private static readonly string[] s_selectable =
    [
        "/system/cluster/core/daemon",
        "/system/cluster/heartbeatReceiver",
        "/system/remote-watcher",
    ];

    /// <summary>Adds the guards, which hold with and without TLS.</summary>
    /// <param name="builder">The actor system.</param>
    /// <param name="selected">Paths of our own actors that other nodes select; a selection of anything else is dropped.</param>
    public static AkkaConfigurationBuilder WithWireGuard(this AkkaConfigurationBuilder builder, IReadOnlyList<string> selected) =>
        builder
            .WithCustomSerializer("json", [], system => new GuardedSerializer(system, new NewtonSoftJsonSerializer(system), s_nothing))
            .WithCustomSerializer("bytes", [], system => new GuardedSerializer(system, new ByteArraySerializer(system), s_nothing))
            .WithCustomSerializer("proto", [], system => new GuardedSerializer(system, new ProtobufSerializer(system), s_nothing))
            .WithCustomSerializer("daemon-create", [], system => new GuardedSerializer(
                system,
                new DaemonMsgCreateSerializer(system),
                s_nothing
            ))
            .WithCustomSerializer("akka-misc", [], system => new GuardedSerializer(
                system,
                new MiscMessageSerializer(system),
                s_miscellaneous
            ))
            .WithCustomSerializer("akka-system-msg", [], system => new GuardedSerializer(
                system,
                new SystemMessageSerializer(system),
                s_watching
            ))
            .AddHocon(
                ConfigurationFactory.ParseString(
                    $$"""
                    akka {
                      log-serializer-override-on-start = off
                      actor.serialization-settings.allow-unregistered-types = false
                      remote.untrusted-mode = on
                      remote.trusted-selection-paths = [{{string.Join(", ", s_selectable.Concat(selected).Select(path => $"\"{path}\""))}}]
                    }
                    """
                ),
                HoconAddMode.Prepend
            );
}
