using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using DfPO.Models;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace DfPO.Host.Dashboard;

/// <summary>
/// Serves the live page of a folder of runs, on loopback alone. It only reads: what it tells is in the runs' folders.
/// </summary>
internal sealed class DashboardServer : IAsyncDisposable
{
    /// <summary>The port, where nothing else is said.</summary>
    public const int DefaultPort = 4080;

    private static readonly TimeSpan s_stopTimeout = TimeSpan.FromSeconds(2);
    private readonly WebApplication _app;

    private DashboardServer(WebApplication app, RunShelf runs, string address) => (_app, Runs, Address) = (app, runs, address);

    /// <summary>What it serves.</summary>
    public RunShelf Runs { get; }

    /// <summary>Address of the page.</summary>
    public string Address { get; }

    /// <summary>Starts it.</summary>
    /// <param name="runs">The runs.</param>
    /// <param name="port">Its port; 0 takes a free one.</param>
    /// <exception cref="DfpoException"><c>dashboard/port</c>: the port cannot be had.</exception>
    public static async Task<DashboardServer> Start(RunShelf runs, int port)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = 0;
            kestrel.Limits.MaxConcurrentConnections = 64;
            kestrel.Listen(IPAddress.Loopback, port);
        });
        var app = builder.Build();
        app.Use(Guard);
        Map(app, runs);
        try
        {
            await app.StartAsync();
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            await app.DisposeAsync();
            throw new DfpoException(
                "dashboard/port",
                $"The page cannot be served at 127.0.0.1:{port} ({e.Message}): choose another port, or 0 for a free one.",
                e
            );
        }
        return new(app, runs, $"{app.Urls.First().TrimEnd('/')}/");
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        using var stopping = new CancellationTokenSource(s_stopTimeout);
        await _app.StopAsync(stopping.Token);
        await _app.DisposeAsync();
    }

    /// <summary>
    /// Refuses what a page of another origin could send here: another host name, which rebinding of DNS needs, and anything but reading.
    /// Turns errors into answers.
    /// </summary>
    private static async Task Guard(HttpContext context, RequestDelegate next)
    {
        var (request, response) = (context.Request, context.Response);
        var port = context.Connection.LocalPort;
        if (request.Host.Host is not ("127.0.0.1" or "localhost") || (request.Host.Port ?? 80) != port)
        {
            response.StatusCode = StatusCodes.Status421MisdirectedRequest;
            return;
        }
        if (!HttpMethods.IsGet(request.Method) && !HttpMethods.IsHead(request.Method))
        {
            response.StatusCode = StatusCodes.Status405MethodNotAllowed;
            return;
        }
        var headers = response.Headers;
        headers.ContentSecurityPolicy = $"{PageShell.Policy(live: true)}; frame-ancestors 'none'";
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        headers.CacheControl = "no-store";
        try
        {
            await next(context);
        }
        catch (DfpoException e) when (!response.HasStarted)
        {
            response.StatusCode = e.Code is "dashboard/query" ? 400 : 404;
            await Answer(response, new JsonObject { ["error"] = e.Message, ["code"] = e.Code });
        }
        catch (Exception e) when (e is IOException or JsonException or UnauthorizedAccessException && !response.HasStarted)
        {
            response.StatusCode = 503;
            await Answer(response, new JsonObject { ["error"] = e.Message, ["code"] = "dashboard/read" });
        }
    }

    private static void Map(WebApplication app, RunShelf runs)
    {
        app.MapGet("/", context =>
        {
            context.Response.ContentType = "text/html; charset=utf-8";
            return context.Response.WriteAsync(PageShell.Write("DfPO", runs.Beginning(), "", live: true));
        });
        Ask("runs", (_, _) => runs.Runs());
        Ask("run", (_, id) => runs.Run(id));
        Ask("cluster", (_, id) => runs.Cluster(id));
        Ask("rollouts", (of, id) => runs.Rollouts(id, Iteration(of), TextQuery.Of(of)));
        Ask("rollout", (of, id) => runs.Rollout(id, Iteration(of), TextQuery.Number(of, "index", 0, int.MaxValue, 0)));
        Ask("samples", (of, id) => runs.Samples(id, TextQuery.Of(of)));
        Ask("studies", (_, _) => runs.Studies());
        Ask("study", (of, id) => runs.Study(of("path"), id.Split('|', StringSplitOptions.RemoveEmptyEntries)));
        app.MapGet(
            "/api/events",
            (HttpContext context, IHostApplicationLifetime lifetime) =>
                TypedResults.ServerSentEvents(
                    RunEvents.Follow(
                        runs,
                        [.. context.Request.Query["from"].OfType<string>()],
                        CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, lifetime.ApplicationStopping).Token
                    )
                )
        );

        void Ask(string name, Func<Func<string, string?>, string, JsonNode> answer) =>
            app.MapGet(
                $"/api/{name}",
                context =>
                {
                    string? Of(string parameter) => context.Request.Query[parameter].FirstOrDefault();
                    return Answer(context.Response, answer(Of, Of("id") ?? ""));
                }
            );

        static int Iteration(Func<string, string?> of) => TextQuery.Number(of, "iteration", 0, int.MaxValue, 0);
    }

    private static Task Answer(HttpResponse response, JsonNode answer)
    {
        response.ContentType = "application/json; charset=utf-8";
        return response.WriteAsync(answer.ToJsonString());
    }
}
