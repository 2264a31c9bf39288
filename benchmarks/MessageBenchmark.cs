using System.Diagnostics;
using Akka.Actor;
using Akka.Hosting;
using DfPO.Actors.Clustering;
using DfPO.Actors.Work;
using DfPO.Rollout;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using static DfPO.Actors.Work.WorkProtocol;

namespace DfPO.Benchmarks;

/// <summary>Round trips between two actor systems over loopback TCP, with the cluster's own settings and serialiser.</summary>
internal static class MessageBenchmark
{
    private const int WarmUp = 500,
        Messages = 3000;

    private sealed class Echo : ReceiveActor
    {
        public Echo() => ReceiveAny(message => Sender.Tell(message));
    }

    public static void Run() => Measure().GetAwaiter().GetResult();

    private static async Task Measure()
    {
        using var here = await Start();
        using var there = await Start();
        var (system, other) = (here.Services.GetRequiredService<ActorSystem>(), there.Services.GetRequiredService<ActorSystem>());
        other.ActorOf(Props.Create(() => new Echo()), "echo");
        // A reference: nodes let others select nothing but their queues.
        var echo = ((ExtendedActorSystem)system).Provider.ResolveActorRef(
            (new RootActorPath(((ExtendedActorSystem)other).Provider.DefaultAddress) / "user" / "echo").ToSerializationFormat()
        );
        await Time("request", echo, new RequestWork(new WorkerId("host/1/rollout-0"), new string('a', 64)));
        await Time("16 x 32 tokens", echo, Completion());
        await here.StopAsync();
        await there.StopAsync();
    }

    private static async Task Time(string name, IActorRef echo, object message)
    {
        var times = new List<double>();
        for (var i = 0; i < WarmUp + Messages; i++)
        {
            var start = Stopwatch.GetTimestamp();
            await echo.Ask<object>(message, TimeSpan.FromSeconds(10));
            if (i >= WarmUp)
                times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }
        times.Sort();
        Report.Line(
            "message",
            null,
            null,
            name,
            $"{times[times.Count / 2]:f2} ms round trip (median), {times[(int)(times.Count * 0.99)]:f2} ms (99 of 100)"
        );
    }

    private static CompleteUnit Completion()
    {
        float[] values = [.. Enumerable.Range(0, 32).Select(i => -i / 7f)];
        var sequence = new GeneratedSequence
        {
            PromptTokens = [.. Enumerable.Range(0, 16)],
            Tokens = [.. Enumerable.Range(1000, 32)],
            Logprobs = values,
            ReferenceLogprobs = values,
            StateKl = values,
            RetainedMass = values,
            Finished = true,
        };
        return new CompleteUnit(
            new WorkerId("host/1/rollout-0"),
            new UnitId("train-1/policy/0"),
            new string('a', 64),
            new RolloutResult([.. Enumerable.Repeat(sequence, 16)])
        );
    }

    private static async Task<IHost> Start()
    {
        var builder = Microsoft.Extensions.Hosting.Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddAkka(DfpoClusterExtensions.SystemName, akka =>
            akka.ConfigureLoggers(logger => logger.ClearLoggers()).WithDfpoCluster("127.0.0.1", 0, [], [])
        );
        var host = builder.Build();
        await host.StartAsync();
        return host;
    }
}
