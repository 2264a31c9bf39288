using System.Net;
using DfPO.Actors.Security;
using DfPO.Actors.Weights;
using DfPO.Learner.Optimisation;
using DfPO.Models.Gpt2;
using DfPO.Models.Layers;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;
using static TorchSharp.torch;

namespace DfPO.Benchmarks;

/// <summary>
/// The weight channel between two processes: 498 MB dense (124M parameters in float32) beside a bare loopback socket, in turns so that the
/// machine's drift meets both, and what a delta saves after a small optimiser step.
/// </summary>
internal static class WeightsBenchmark
{
    private const string Name = "weights 124m";

    public static void Run(Gpt2LMHeadModel model, int trials)
    {
        using var store = new WeightsStore(new WeightsStoreOptions { OfferDelta = false });
        using var deltas = new WeightsStore();
        var sources = new WeightsSources();
        // The first that has a version answers: it should be the one with the delta.
        sources.Add(deltas);
        sources.Add(store);
        var server = Serve(sources);
        try
        {
            store.BaseUrl = deltas.BaseUrl = server.Urls.First();
            using var peer = new WeightsPeer();
            Dense(model, store, peer, Math.Max(5, trials));
            Delta(model, store, deltas, peer);
        }
        finally
        {
            server.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }

    private static void Dense(Gpt2LMHeadModel model, WeightsStore store, WeightsPeer peer, int trials)
    {
        // Two versions in turn: what a receiver holds it does not fetch again.
        WeightsRef[] versions = [store.Publish(model, 0, ScalarType.Float32), Next(model, store)];
        using var lease = store.Open(versions[0].Digest)!;
        List<Receipt> raw = [],
            ours = [];
        var (served, cpu) = (0L, new List<double>());
        for (var trial = -2; trial < trials; trial++)
        {
            var socket = peer.Socket(lease);
            var (before, busy) = (GC.GetTotalAllocatedBytes(precise: true), Environment.CpuUsage.TotalTime);
            var fetch = peer.Fetch(versions[trial & 1], acceptDelta: false);
            var (allocated, sending) = (
                GC.GetTotalAllocatedBytes(precise: true) - before,
                (Environment.CpuUsage.TotalTime - busy).TotalSeconds
            );
            if (trial < 0)
            {
                Report.Line(
                    Name,
                    ScalarType.Float32,
                    null,
                    "fresh memory",
                    $"socket {Rate(lease, socket):f0} MB/s, channel {Rate(lease, fetch):f0} MB/s"
                );
                continue;
            }
            raw.Add(socket);
            ours.Add(fetch);
            cpu.Add(sending);
            served = Math.Max(served, allocated);
        }
        double Median(List<Receipt> receipts) => Middle(receipts.Select(r => Rate(lease, r)));
        double Best(List<Receipt> receipts) => receipts.Max(r => Rate(lease, r));
        Report.Line(
            Name,
            ScalarType.Float32,
            null,
            "raw socket",
            $"{Median(raw):f0} MB/s median, {Best(raw):f0} best of {trials}, {lease.Manifest.Length / 1e6:f0} MB"
        );
        Report.Line(
            Name,
            ScalarType.Float32,
            null,
            "channel",
            $"{Median(ours):f0} MB/s median, {Best(ours):f0} best, from asking to every chunk checked"
        );
        Report.Line(
            Name,
            ScalarType.Float32,
            null,
            "share",
            $"{100 * Median(ours) / Median(raw):f0} % of the raw socket by medians, {100 * Best(ours) / Best(raw):f0} % by bests"
        );
        Report.Line(
            Name,
            ScalarType.Float32,
            null,
            "processor",
            $"{Middle(cpu):f2} s at the sender, {Middle(ours.Select(r => r.Cpu)):f2} s at the receiver; bare socket {Middle(raw.Select(r => r.Cpu)):f2} s at the receiver"
        );
        Report.Line(
            Name,
            ScalarType.Float32,
            null,
            "allocated",
            $"{served / 1e6:f2} MB managed at the sender, {ours.Max(r => r.Allocated) / 1e6:f2} MB at the receiver, at most, a broadcast"
        );
    }

    private static void Delta(Gpt2LMHeadModel model, WeightsStore store, WeightsStore deltas, WeightsPeer peer)
    {
        using var optimiser = new AdamW([new ParameterGroup(model.named_parameters().Select(p => (p.name, p.parameter)), 1e-5, 0)]);
        var done = 0;
        foreach (var (step, name) in new[] { (1, "1st step"), (2, "2nd step"), (10, "10th step") })
        {
            for (; done < step - 1; done++)
                Step(model, optimiser);
            peer.Fetch(deltas.Publish(model, done, ScalarType.BFloat16), acceptDelta: true);
            Step(model, optimiser);
            done++;
            var before = Environment.CpuUsage.TotalTime;
            var dense = store.Publish(model, step, ScalarType.BFloat16);
            var publishing = (Environment.CpuUsage.TotalTime - before).TotalSeconds;
            before = Environment.CpuUsage.TotalTime;
            var delta = deltas.Publish(model, step, ScalarType.BFloat16);
            var encoding = (Environment.CpuUsage.TotalTime - before).TotalSeconds - publishing;
            var receipt = peer.Fetch(delta, acceptDelta: true);
            Report.Line(
                Name,
                ScalarType.BFloat16,
                null,
                name,
                $"delta {receipt.Received / 1e6:f1} MB of {dense.Length / 1e6:f1} MB: {100.0 * receipt.Received / dense.Length:f1} %"
            );
            Report.Line(
                Name,
                ScalarType.BFloat16,
                null,
                "",
                $"processor: publishing dense {publishing:f2} s, encoding {encoding:f2} s more, fetching and decoding {receipt.Cpu:f2} s; fetched in {receipt.Seconds:f2} s"
            );
        }
    }

    /// <summary>
    /// AdamW at lr 1e-5 on noise: every weight moves by about the learning rate at first, by about a quarter of it later.
    /// </summary>
    private static void Step(Gpt2LMHeadModel model, AdamW optimiser)
    {
        using var scope = NewDisposeScope();
        foreach (var parameter in model.parameters())
        {
            if (parameter.grad is { } grad)
                grad.normal_(0, 1e-3);
            else
                parameter.grad = randn_like(parameter).Scale(1e-3).DetachFromDisposeScope();
        }
        optimiser.Step();
    }

    private static WeightsRef Next(Gpt2LMHeadModel model, WeightsStore store)
    {
        using (no_grad())
            model.parameters().First().Increase(1);
        return store.Publish(model, 1, ScalarType.Float32);
    }

    private static double Middle(IEnumerable<double> values) => values.Order().ElementAt(values.Count() / 2);

    private static double Rate(WeightsLease lease, Receipt receipt) => lease.Manifest.Length / receipt.Seconds / 1e6;

    private static WebApplication Serve(IWeightsSource source)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenForBulk(IPAddress.Loopback, 0, null));
        var app = builder.Build();
        app.MapWeights(source);
        app.StartAsync().GetAwaiter().GetResult();
        return app;
    }
}
