using System.Net;
using DfPO.Actors.Security;
using DfPO.Models.Checkpoints;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace DfPO.Actors.Weights;

/// <summary>
/// The bulk channel: weights from memory and checkpoint folders from disk, over HTTP with ranges, beside Akka's control messages.
/// </summary>
public static class WeightsEndpoints
{
    /// <summary>Path prefix of weight versions, by digest.</summary>
    public const string WeightsPath = "/weights";

    /// <summary>Path prefix of the checkpoint folders that joining workers start from.</summary>
    public const string ModelsPath = "/models";

    /// <summary>
    /// Bytes handed over at once: where they are copied, enough that the next are there before the socket has sent the last.
    /// </summary>
    private const int Piece = 1 << 20;

    /// <summary>Address of weights at a server of weights.</summary>
    /// <param name="baseUrl">Base address of its bulk channel: <c>http://host:port</c>.</param>
    /// <param name="digest">Digest of the weights.</param>
    public static string Url(string baseUrl, string digest) => $"{baseUrl.TrimEnd('/')}{WeightsPath}/{digest}";

    /// <summary>
    /// Maps the routes of weights: <c>/weights/{digest}</c>, <c>.../manifest</c> and <c>.../delta/{base}</c>. Weights on their way are 503,
    /// others 404.
    /// </summary>
    /// <param name="routes">The web server.</param>
    /// <param name="source">Weight versions.</param>
    public static void MapWeights(this IEndpointRouteBuilder routes, IWeightsSource source)
    {
        var weights = routes
            .MapGroup(WeightsPath)
            .AddEndpointFilter(RequireHost)
            .AddEndpointFilter(
                async (context, next) =>
                    context.HttpContext.Connection.May(ClusterRoles.Rollout)
                        ? await next(context)
                        : Results.StatusCode(StatusCodes.Status403Forbidden)
            );
        weights.MapGet("/{digest}/manifest", (string digest) =>
        {
            using var lease = source.Open(digest);
            return lease is not null ? Results.Json(lease.Manifest) : Absent(source, digest);
        });
        weights.MapGet("/{digest}", async (HttpContext context, string digest) =>
        {
            using var lease = source.Open(digest);
            if (lease is null)
                await Absent(source, digest).ExecuteAsync(context);
            else
                await Send(context, lease.Manifest.Length, lease.Bytes);
        });
        weights.MapGet("/{digest}/delta/{from}", async (HttpContext context, string digest, string from) =>
        {
            using var lease = source.Open(digest);
            if (lease?.Manifest.Delta is { } delta && delta.Base == from)
                await Send(context, delta.Length, lease.Delta);
            else
                await Absent(source, digest).ExecuteAsync(context);
        });
    }

    /// <summary>Maps the routes of weights and of checkpoint folders.</summary>
    /// <param name="routes">The web server.</param>
    /// <param name="source">Weight versions.</param>
    /// <param name="folders">Folders, or single files, by public name; nothing else of the disk is reachable.</param>
    public static void MapWeights(this IEndpointRouteBuilder routes, IWeightsSource source, IReadOnlyDictionary<string, string> folders)
    {
        routes.MapWeights(source);
        var models = routes.MapGroup(ModelsPath).AddEndpointFilter(RequireHost);
        models.MapGet("/{name}", (string name) =>
            folders.TryGetValue(name, out var folder)
                ? Results.Json(Files(folder).Select(file => new ModelFile(Path.GetFileName(file), FileLength.Of(file))))
                : Results.NotFound()
        );
        models.MapGet("/{name}/{file}", (string name, string file) =>
            folders.TryGetValue(name, out var folder) && Files(folder).FirstOrDefault(path => Path.GetFileName(path) == file) is { } found
                ? Results.File(Path.GetFullPath(found), "application/octet-stream", enableRangeProcessing: true)
                : Results.NotFound()
        );
    }

    /// <summary>
    /// At loopback, a request must name an address or localhost: a page of the web that had its own name lead here would name that.
    /// </summary>
    private static ValueTask<object?> RequireHost(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        var (connection, host) = (context.HttpContext.Connection, context.HttpContext.Request.Host.Host);
        return
            connection.LocalIpAddress is { } local
            && IPAddress.IsLoopback(local)
            && host != "localhost"
            && !IPAddress.TryParse(host.Trim('[', ']'), out _)
            ? ValueTask.FromResult<object?>(Results.StatusCode(StatusCodes.Status421MisdirectedRequest))
            : next(context);
    }

    private static string[] Files(string path) => File.Exists(path) ? [path] : Directory.GetFiles(path);

    private static IResult Absent(IWeightsSource source, string digest) =>
        source.Expects(digest) ? Results.StatusCode(StatusCodes.Status503ServiceUnavailable) : Results.NotFound();

    /// <summary>Answers one range, or everything. ASP.NET's own results take arrays and streams, and these bytes are neither.</summary>
    private static async Task Send(HttpContext context, long length, Func<long, int, ReadOnlyMemory<byte>> bytes)
    {
        var response = context.Response;
        response.ContentType = "application/octet-stream";
        var (from, to) = (0L, length);
        if (context.Request.GetTypedHeaders().Range is { Ranges: { Count: 1 } ranges })
        {
            var range = ranges.Single();
            (from, to) = (
                range.From ?? Math.Max(0, length - range.To!.Value),
                range.From is null ? length : Math.Min(length, (range.To ?? length - 1) + 1)
            );
            if (from >= length)
            {
                response.StatusCode = StatusCodes.Status416RangeNotSatisfiable;
                response.Headers.ContentRange = $"bytes */{length}";
                return;
            }
            response.StatusCode = StatusCodes.Status206PartialContent;
            response.Headers.ContentRange = $"bytes {from}-{to - 1}/{length}";
        }
        response.ContentLength = to - from;
        var (socket, body) = (context.Features.Get<SocketOutput>(), response.BodyWriter);
        await response.StartAsync(context.RequestAborted);
        for (; from < to; from += Piece)
        {
            var piece = bytes(from, (int)Math.Min(Piece, to - from));
            if (socket?.Lend(body, piece) is not true)
            {
                // Under TLS: in one block, where a write would be cut into Kestrel's of 4 KB.
                piece.CopyTo(body.GetMemory(piece.Length));
                body.Advance(piece.Length);
            }
            if ((await body.FlushAsync(context.RequestAborted)).IsCompleted)
                return;
        }
    }

    /// <summary>An entry of a served folder.</summary>
    public sealed record ModelFile(string Name, long Length);
}
