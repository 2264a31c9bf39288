using System.Net;
using DfPO.Actors.Security;
using DfPO.Actors.Weights;
using DfPO.Models.Gpt2;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using static TorchSharp.torch;

namespace DfPO.Actors.Tests;

/// <summary>A server of weights on the loopback that does to its answers what a test asks for.</summary>
internal sealed class WeightsServer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private WeightsServer(WebApplication app) => _app = app;

    public string Url => _app.Urls.First();

    /// <summary>Paths and ranges asked for, in order.</summary>
    public List<(string Path, long From, long To)> Requests { get; } = [];

    /// <summary>Stands between the routes and the connection; null lets everything through.</summary>
    public Func<HttpContext, Stream, Stream>? Fault { get; set; }

    public static async Task<WeightsServer> Start(IWeightsSource source, IReadOnlyDictionary<string, string>? folders = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenForBulk(IPAddress.Loopback, 0, null));
        builder.Logging.ClearProviders();
        var app = builder.Build();
        var server = new WeightsServer(app);
        app.Use(
            async (context, next) =>
            {
                var range = context.Request.GetTypedHeaders().Range?.Ranges.Single();
                lock (server.Requests)
                    server.Requests.Add((context.Request.Path, range?.From ?? 0, range?.To ?? 0));
                if (server.Fault is { } fault)
                    context.Response.Body = fault(context, context.Response.Body);
                await next();
            }
        );
        app.MapWeights(source, folders ?? new Dictionary<string, string>());
        await app.StartAsync();
        return server;
    }

    /// <summary>A model of about 19 kB in float32.</summary>
    public static Gpt2LMHeadModel TinyModel(ulong seed = 3)
    {
        var model = new Gpt2LMHeadModel(
            new Gpt2Config
            {
                VocabSize = 50,
                NPositions = 16,
                NEmbd = 16,
                NLayer = 1,
                NHead = 2,
            }
        );
        model.Initialise(seed);
        return model;
    }

    /// <summary>Changes the model a little, in some of its elements.</summary>
    public static void Nudge(Gpt2LMHeadModel model)
    {
        using var scope = NewDisposeScope();
        using (no_grad())
        {
            foreach (var parameter in model.parameters())
                parameter.add_(rand_like(parameter).lt(0.05).to(ScalarType.Float32), 0.01f);
        }
    }

    public IEnumerable<(long From, long To)> Ranges(string path)
    {
        lock (Requests)
            return [.. Requests.Where(request => request.Path == path).Select(request => (request.From, request.To))];
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    /// <summary>Hands on what is written, through a function that may change the bytes, throw, or wait.</summary>
    public sealed class Through(Stream inner, Func<Memory<byte>, long, Task> on) : Stream
    {
        private long _written;

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var copy = buffer.ToArray();
            await on(copy, _written);
            _written += copy.Length;
            await inner.WriteAsync(copy, cancellationToken);
        }

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Flush() => inner.Flush();

        public override Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);
    }
}
