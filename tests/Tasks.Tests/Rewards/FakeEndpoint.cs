using System.Collections.Concurrent;
using System.Net;
using System.Text;
using System.Text.Json;

namespace DfPO.Tasks.Tests.Rewards;

/// <summary>An HTTP server on loopback that answers with what the test says.</summary>
internal sealed class FakeEndpoint : IDisposable
{
    private readonly HttpListener _listener = new();
    private readonly Func<int, JsonElement, (int Status, string Body)> _answer;
    private readonly Task _serving;

    /// <param name="answer">Gives status and body for the n-th request (from 0) and its JSON.</param>
    public FakeEndpoint(Func<int, JsonElement, (int Status, string Body)> answer)
    {
        _answer = answer;
        Url = Start(_listener);
        _serving = Task.Run(Serve);
    }

    public string Url { get; }

    /// <summary>Seconds that refusals ask to wait for.</summary>
    public string? RetryAfter { get; init; }

    public ConcurrentQueue<(JsonElement Body, string? Authorization, string? Key)> Requests { get; } = [];

    public void Dispose()
    {
        _listener.Close();
        _serving.GetAwaiter().GetResult();
    }

    // HttpListener cannot choose a free port by itself.
    private static string Start(HttpListener listener)
    {
        for (var attempt = 0; ; attempt++)
        {
            var url = $"http://127.0.0.1:{Random.Shared.Next(20_000, 60_000)}/";
            listener.Prefixes.Clear();
            listener.Prefixes.Add(url);
            try
            {
                listener.Start();
                return url;
            }
            catch (HttpListenerException) when (attempt < 20)
            {
                // Taken: try another.
            }
        }
    }

    private async Task Serve()
    {
        while (true)
        {
            try
            {
                var context = await _listener.GetContextAsync();
                using var body = await JsonDocument.ParseAsync(context.Request.InputStream);
                var number = Requests.Count;
                Requests.Enqueue(
                    (body.RootElement.Clone(), context.Request.Headers["Authorization"], context.Request.Headers["X-Goog-Api-Key"])
                );
                var (status, text) = _answer(number, body.RootElement);
                if (status == 0)
                    continue; // Never answered.
                context.Response.StatusCode = status;
                if (RetryAfter is not null && status != 200)
                    context.Response.Headers["Retry-After"] = RetryAfter;
                context.Response.Close(Encoding.UTF8.GetBytes(text), willBlock: false);
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
            {
                return;
            }
        }
    }
}
