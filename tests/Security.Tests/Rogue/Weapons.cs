using System.Collections.Concurrent;
using System.Runtime.Serialization;
using Akka.Actor;

namespace DfPO.Security.Tests.Rogue;

/// <summary>
/// Which of the rogue's types a receiver has built, by the mark that each carries. Rogue and victim share the process, so only what a
/// receiver does is noted.
/// </summary>
internal static class Built
{
    public static ConcurrentDictionary<string, bool> Marks { get; } = [];
}

/// <summary>Any type that JSON can name.</summary>
public sealed record EvilMessage(string Mark)
{
    [OnDeserialized]
    internal void OnDeserialized(StreamingContext context) => Built.Marks[Mark] = true;
}

/// <summary>An exception, which Akka carries by the name of its type.</summary>
public sealed class EvilException : Exception
{
    public EvilException(string mark)
        : base(mark) { }

#pragma warning disable SYSLIB0051 // It is the constructor that Akka calls.
    private EvilException(SerializationInfo info, StreamingContext context)
        : base(info, context) => Built.Marks[info.GetString("Message")!] = true;
#pragma warning restore SYSLIB0051
}

/// <summary>An actor that a stranger would like to run here.</summary>
public sealed class EvilActor : UntypedActor
{
    public EvilActor(string mark) => Built.Marks[mark] = true;

    protected override void OnReceive(object message) { }
}

/// <summary>An actor that tells whether something has been done to it.</summary>
internal sealed class Canary : UntypedActor
{
    private readonly ConcurrentQueue<object> _seen;

    public Canary(ConcurrentQueue<object> seen) => _seen = seen;

    protected override void OnReceive(object message)
    {
        if (message is "ping")
            Sender.Tell("pong");
        else
            _seen.Enqueue(message);
    }

    protected override void PreRestart(Exception reason, object message) => _seen.Enqueue("restarted");

    protected override void PostStop() => _seen.Enqueue("stopped");
}
