using Akka.Actor;

namespace DfPO.Actors.Tests;

/// <summary>Names an actor where there is no actor system: for what only compares and addresses.</summary>
internal sealed class FakeRef(string name, string? host = null) : MinimalActorRef
{
    public override ActorPath Path { get; } =
        new RootActorPath(host is null ? new Address("akka", "test") : new Address("akka.tcp", "test", host, 1)) / "user" / name;

    public override IActorRefProvider Provider => throw new NotSupportedException();
}
