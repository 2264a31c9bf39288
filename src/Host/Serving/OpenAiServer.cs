using System.Net;
using System.Net.Mime;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using DfPO.Models;
using DfPO.Rollout.Serving;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace DfPO.Host.Serving;

/// <summary>How requests are served.</summary>
internal sealed record ServeSettings
{
    /// <summary>Address to listen on.</summary>
    public IPAddress Address { get; init; } = IPAddress.Loopback;

    /// <summary>Port; 0 takes a free one.</summary>
    public int Port { get; init; }

    /// <summary>The bearer key that requests must have; null where none is wanted, on loopback alone.</summary>
    public string? Key { get; init; }

    /// <summary>Sequences decoded side by side.</summary>
    public int Concurrency { get; init; } = 64;

    /// <summary>Sequences that wait at most.</summary>
    public int Queue { get; init; } = 256;

    /// <summary>New tokens of a continuation at most.</summary>
    public int MaxTokens { get; init; } = 512;

    /// <summary>How long a request may take.</summary>
    public TimeSpan RequestTime { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>Torch threads of a pass; 0 leaves torch's own choice.</summary>
    public int Threads { get; init; }
}

/// <summary>A model behind OpenAI's HTTP interface.</summary>
internal sealed class OpenAiServer : IAsyncDisposable
{
    private const int MostBytes = 4 << 20;
    private readonly WebApplication _app;
    private readonly ServedModel _model;
    private readonly ServeSettings _settings;
    private readonly DecodingLoop _loop;

    private OpenAiServer(ServedModel model, ServeSettings settings)
    {
        (_model, _settings) = (model, settings);
        _loop = new DecodingLoop(model.NewBatch, settings.Concurrency, settings.Queue, settings.Threads);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.MaxRequestBodySize = MostBytes;
            kestrel.Listen(settings.Address, settings.Port);
        });
        _app = builder.Build();
        _app.Use(Guarded);
        _app.MapGet("/health", () => Results.Ok());
        _app.MapGet("/v1/models", () => Json(new() { ["object"] = "list", ["data"] = new JsonArray(Description()) }));
        _app.MapGet(
            "/v1/models/{**id}",
            (string id) => id == model.Id ? Json(Description()) : throw model.NotFound(id)
        );
        _app.MapPost("/v1/chat/completions", context => Complete(context, isChat: true));
        _app.MapPost("/v1/completions", context => Complete(context, isChat: false));
        _app.MapFallback((HttpContext context) =>
            throw new ApiError(404, $"Unknown request URL: {context.Request.Method} {context.Request.Path}.", code: "unknown_url")
        );
    }

    /// <summary>Where it listens.</summary>
    public string Url => _app.Urls.First();

    /// <summary>Tokens drawn so far, whoever they were for.</summary>
    public long Drawn => _loop.Drawn;

    /// <summary>Starts to serve.</summary>
    /// <param name="model">Stays the caller's.</param>
    /// <param name="settings">How.</param>
    /// <param name="cancellation">Ends the start.</param>
    /// <exception cref="DfpoException"><c>serve/key</c>: others than this machine could ask, and there is no key; <c>serve/port</c>: the
    /// port is taken.</exception>
    public static async Task<OpenAiServer> Start(ServedModel model, ServeSettings settings, CancellationToken cancellation)
    {
        if (settings.Key is null && !IPAddress.IsLoopback(settings.Address))
            throw new DfpoException(
                "serve/key",
                $"'{settings.Address}' is reached from other machines, so requests need a key: put one into the environment variable that --key-variable names, or serve on 127.0.0.1."
            );
        var server = new OpenAiServer(model, settings);
        try
        {
            await server._app.StartAsync(cancellation);
            return server;
        }
        catch (IOException e)
        {
            await server.DisposeAsync();
            throw new DfpoException(
                "serve/port",
                $"Cannot listen on {settings.Address}:{settings.Port} ({e.Message}): give another --port.",
                e
            );
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        using var stopping = new CancellationTokenSource(TimeSpan.FromSeconds(5));
        // Streams end with the loop, so it goes first.
        _loop.Dispose();
        await _app.StopAsync(stopping.Token);
        await _app.DisposeAsync();
    }

    private JsonObject Description() =>
        new()
        {
            ["id"] = _model.Id,
            ["object"] = "model",
            ["created"] = _model.Loaded.ToUnixTimeSeconds(),
            ["owned_by"] = "dfpo",
        };

    /// <summary>Key, and failures in OpenAI's form.</summary>
    private async Task Guarded(HttpContext context, RequestDelegate next)
    {
        try
        {
            if (_settings.Key is { } key && !Matches(context.Request.Headers.Authorization.ToString(), key))
                throw new ApiError(401, "Incorrect API key provided.", code: "invalid_api_key");
            await next(context);
        }
        catch (ApiError e) when (!context.Response.HasStarted)
        {
            context.Response.StatusCode = e.Status;
            if (e.Status == 429)
                context.Response.Headers.RetryAfter = "1";
            await Write(context, e.Body());
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // Nobody is there to be told.
        }
        catch (BadHttpRequestException e) when (!context.Response.HasStarted)
        {
            context.Response.StatusCode = e.StatusCode;
            await Write(context, new ApiError(e.StatusCode, e.Message).Body());
        }
        catch (Exception e) when (!context.Response.HasStarted)
        {
            Notices.Tell($"a request failed: {e.Message}");
            context.Response.StatusCode = 500;
            await Write(context, new ApiError(500, e is DfpoException ? e.Message : "The server had an error.", "server_error").Body());
        }
    }

    private async Task Complete(HttpContext context, bool isChat)
    {
        // A page in a browser can send text from elsewhere without being asked, but not JSON.
        if (!context.Request.HasJsonContentType())
            throw new ApiError(415, "Content-Type must be application/json.");
        var request = CompletionRequest.Read(await Body(context), isChat, _model, _settings.MaxTokens);
        var sequences = request.Sequences();
        using var time = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        time.CancelAfter(_settings.RequestTime);
        if (!_loop.TryAdd(sequences))
            throw new ApiError(
                429,
                $"The server is busy: there is room for {_settings.Queue} continuations that wait. Try again.",
                "rate_limit_error",
                code: "queue_full"
            );
        try
        {
            var answer = new CompletionAnswer(request, _model);
            if (request.Stream)
                await Stream(context, request, sequences, answer, time.Token);
            else
                await Whole(context, request, sequences, answer, time.Token);
        }
        catch (OperationCanceledException) when (!context.RequestAborted.IsCancellationRequested && !context.Response.HasStarted)
        {
            throw new ApiError(
                504,
                $"The request took longer than {_settings.RequestTime.TotalSeconds:F0} seconds.",
                "timeout_error",
                code: "timeout"
            );
        }
        finally
        {
            foreach (var sequence in sequences)
                sequence.Abandon();
        }
    }

    private async Task Whole(
        HttpContext context,
        CompletionRequest request,
        IReadOnlyList<ServedSequence> sequences,
        CompletionAnswer answer,
        CancellationToken cancellation
    )
    {
        var counter = new Counter();
        var choices = await Task.WhenAll(
            sequences.Select(async (sequence, index) =>
            {
                var whole = new AnswerPiece(index, "", [], null);
                await foreach (var piece in Pieces(sequence, index, request, counter, cancellation))
                    whole = new(index, whole.Text + piece.Text, [.. whole.Tokens, .. piece.Tokens], piece.Finish);
                return whole;
            })
        );
        await Write(context, answer.Whole(choices, counter.Tokens));
    }

    private async Task Stream(
        HttpContext context,
        CompletionRequest request,
        IReadOnlyList<ServedSequence> sequences,
        CompletionAnswer answer,
        CancellationToken cancellation
    )
    {
        context.Response.ContentType = MediaTypeNames.Text.EventStream;
        context.Response.Headers.CacheControl = "no-cache";
        async Task Send(string data)
        {
            await context.Response.WriteAsync($"data: {data}\n\n", cancellation);
            await context.Response.Body.FlushAsync(cancellation);
        }
        if (request.IsChat)
            foreach (var choice in Enumerable.Range(0, sequences.Count))
                await Send(answer.Opening(choice).ToJsonString());
        var counter = new Counter();
        var pieces = Channel.CreateUnbounded<AnswerPiece>(new() { SingleReader = true });
        var reading = Task.WhenAll(
            sequences.Select(async (sequence, index) =>
            {
                await foreach (var piece in Pieces(sequence, index, request, counter, cancellation))
                    pieces.Writer.TryWrite(piece);
            })
        );
        _ = reading.ContinueWith(done => pieces.Writer.TryComplete(done.Exception?.InnerException), TaskScheduler.Default);
        try
        {
            await foreach (var piece in pieces.Reader.ReadAllAsync(cancellation))
                await Send(answer.Chunk(piece).ToJsonString());
            if (request.WithUsage)
                await Send(answer.UsageChunk(counter.Tokens).ToJsonString());
            await Send("[DONE]");
        }
        catch (Exception e) when (!context.RequestAborted.IsCancellationRequested)
        {
            // The status has gone out: the last message tells.
            var ended = e is OperationCanceledException or ChannelClosedException;
            var error = new ApiError(500, ended ? "The request was ended by the server." : "The server had an error.", "server_error");
            await context.Response.WriteAsync($"data: {error.Body().ToJsonString()}\n\n", context.RequestAborted);
        }
    }

    /// <summary>A choice's pieces as its tokens come; ends at a stop sequence, and lets the rest of it go.</summary>
    private async IAsyncEnumerable<AnswerPiece> Pieces(
        ServedSequence sequence,
        int choice,
        CompletionRequest request,
        Counter counter,
        [EnumeratorCancellation] CancellationToken cancellation
    )
    {
        var text = new TextStream(_model.Tokenizer, request.Stops);
        var held = new List<LiveToken>();
        await foreach (var token in sequence.Tokens.ReadAllAsync(cancellation))
        {
            counter.Add();
            var ready = "";
            if (!token.Ended)
            {
                ready = text.Add(token.Token);
                held.Add(token);
            }
            if (text.IsStopped)
                sequence.Abandon();
            var finish =
                token.Ended || text.IsStopped ? "stop"
                : token.IsLast ? "length"
                : null;
            if (finish is not null)
                ready += text.Finish();
            if (ready.Length > 0)
            {
                yield return new(choice, ready, [.. held], null);
                held.Clear();
            }
            if (finish is null)
                continue;
            yield return new(choice, "", [.. held], finish);
            yield break;
        }
    }

    private static async Task<JsonObject> Body(HttpContext context)
    {
        try
        {
            return await JsonNode.ParseAsync(context.Request.Body, cancellationToken: context.RequestAborted) as JsonObject
                ?? throw new ApiError(400, "The body must be a JSON object.");
        }
        catch (Exception e) when (e is JsonException or ArgumentException)
        {
            throw new ApiError(400, $"We could not parse the JSON body of your request: {e.Message}");
        }
    }

    private static bool Matches(string header, string key)
    {
        const string scheme = "Bearer ";
        // Digests, so that neither time nor length tells of the key.
        return header.StartsWith(scheme, StringComparison.OrdinalIgnoreCase)
            && CryptographicOperations.FixedTimeEquals(
                SHA256.HashData(Encoding.UTF8.GetBytes(header[scheme.Length..].Trim())),
                SHA256.HashData(Encoding.UTF8.GetBytes(key))
            );
    }

    private static IResult Json(JsonObject body) => Results.Text(body.ToJsonString(), MediaTypeNames.Application.Json);

    private static Task Write(HttpContext context, JsonObject body)
    {
        context.Response.ContentType = MediaTypeNames.Application.Json;
        return context.Response.WriteAsync(body.ToJsonString(), context.RequestAborted);
    }

    private sealed class Counter
    {
        private int _tokens;

        public int Tokens => _tokens;

        public void Add() => Interlocked.Increment(ref _tokens);
    }
}
