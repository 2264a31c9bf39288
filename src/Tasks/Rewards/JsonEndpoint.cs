using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using DfPO.Models;
using Polly;
using Polly.CircuitBreaker;
using Polly.Retry;
using Polly.Timeout;

namespace DfPO.Tasks.Rewards;

/// <summary>
/// An HTTP endpoint that answers JSON with JSON: paced, with a timeout an attempt, retries, and a circuit breaker so that a dead one is not
/// waited for again and again.
/// </summary>
internal sealed class JsonEndpoint : IDisposable
{
    private static readonly TimeSpan s_longest = TimeSpan.FromDays(1);

    private const long MostBytes = 16 << 20;

    // A redirect would take the key, and the texts, to another address than the user named.
    private readonly HttpClient _client = new(
        new SocketsHttpHandler
        {
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            AllowAutoRedirect = false,
            MaxResponseHeadersLength = 16,
        }
    )
    {
        Timeout = System.Threading.Timeout.InfiniteTimeSpan,
    };
    private readonly string _name;
    private readonly Uri _url;
    private readonly ResiliencePipeline<JsonDocument> _pipeline;
    private readonly ResiliencePipeline<JsonDocument> _attempt;
    private readonly Action<HttpRequestHeaders> _headers;
    private readonly TimeProvider _time;
    private readonly TimeSpan _pace;
    private DateTimeOffset _next;

    public JsonEndpoint(EndpointOptions options, Action<HttpRequestHeaders> headers, TimeProvider? time = null)
    {
        if (!Uri.TryCreate(options.Url, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https"))
            throw new DfpoException(
                "reward/spec",
                $"Reward: endpoint.url '{options.Url}' is not an address that begins with http:// or https://."
            );
        Check(options);
        (_url, _headers, _time) = (url, headers, time ?? TimeProvider.System);
        // User info and query may hold secrets.
        _name = url.GetComponents(UriComponents.SchemeAndServer | UriComponents.Path, UriFormat.UriEscaped);
        _pace = options.RequestsPerSecond > 0 ? TimeSpan.FromSeconds(1 / options.RequestsPerSecond) : TimeSpan.Zero;
        var passing = new PredicateBuilder<JsonDocument>()
            .Handle<TransientException>()
            .Handle<TimeoutRejectedException>()
            .Handle<HttpRequestException>()
            .Handle<IOException>();
        var builder = new ResiliencePipelineBuilder<JsonDocument> { TimeProvider = _time };
        if (options.Retries > 0)
            builder.AddRetry(
                new RetryStrategyOptions<JsonDocument>
                {
                    MaxRetryAttempts = options.Retries,
                    Delay = options.RetryDelay,
                    BackoffType = DelayBackoffType.Exponential,
                    UseJitter = true,
                    ShouldHandle = passing,
                    DelayGenerator = attempt => ValueTask.FromResult((attempt.Outcome.Exception as TransientException)?.RetryAfter),
                }
            );
        _pipeline = builder
            .AddCircuitBreaker(
                new CircuitBreakerStrategyOptions<JsonDocument>
                {
                    FailureRatio = 1,
                    MinimumThroughput = options.BreakAfter,
                    SamplingDuration = TimeSpan.FromSeconds(
                        Math.Clamp(options.BreakAfter * (options.Timeout + options.RetryDelay).TotalSeconds, 60, s_longest.TotalSeconds)
                    ),
                    BreakDuration = options.BreakFor,
                    ShouldHandle = passing,
                }
            )
            .Build();
        _attempt = new ResiliencePipelineBuilder<JsonDocument> { TimeProvider = _time }
            .AddTimeout(options.Timeout)
            .Build();
    }

    /// <summary>Sends a body and gives the answer, which the caller disposes.</summary>
    /// <exception cref="DfpoException"><c>reward/endpoint</c>: no usable answer came; <c>reward/endpoint-open</c>: so many attempts failed
    /// that none is made for a while.</exception>
    public JsonDocument Post<T>(T body)
    {
        var bytes = JsonSerializer.SerializeToUtf8Bytes(body, JsonSerializerOptions.Web);
        try
        {
            return _pipeline.Execute(token =>
            {
                // Waiting for its turn is no part of the time that an attempt may take.
                Pace(token);
                return _attempt.Execute(limited => Send(bytes, limited), token);
            });
        }
        catch (BrokenCircuitException e)
        {
            throw new DfpoException(
                "reward/endpoint-open",
                $"The reward's endpoint {_name} failed again and again, so that it is not asked for a while: {e.InnerException?.Message}",
                e
            );
        }
        catch (TimeoutRejectedException e)
        {
            throw new DfpoException(
                "reward/endpoint",
                $"The reward's endpoint {_name} did not answer within {e.Timeout.TotalSeconds:0.###} s.",
                e
            );
        }
        catch (Exception e) when (e is TransientException or HttpRequestException or IOException)
        {
            throw new DfpoException("reward/endpoint", $"The reward's endpoint {_name} cannot be used: {e.Message}", e);
        }
    }

    public DfpoException Unexpected(string what, Exception? inner = null) =>
        new("reward/endpoint", $"The reward's endpoint {_name} answered with {what}.", inner);

    public void Dispose() => _client.Dispose();

    private static void Check(EndpointOptions options)
    {
        var problem =
            options.Timeout < TimeSpan.FromMilliseconds(10) || options.Timeout > s_longest ? "timeout must lie between 10 ms and a day"
            : options.RetryDelay < TimeSpan.Zero || options.RetryDelay > s_longest ? "retry-delay must lie between 0 and a day"
            : options.BreakFor < TimeSpan.FromMilliseconds(500) || options.BreakFor > s_longest
                ? "break-for must lie between 500 ms and a day"
            : options.BreakAfter < 2 ? "break-after must be at least 2"
            : options.BatchSize < 1 ? "batch-size must be at least 1"
            : options.Retries < 0 || !(options.RequestsPerSecond >= 0) ? "retries and requests-per-second must not be negative"
            : null;
        if (problem is not null)
            throw new DfpoException("reward/spec", $"Reward: of the endpoint, {problem}.");
    }

    private JsonDocument Send(byte[] body, CancellationToken token)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, _url)
        {
            Content = new ByteArrayContent(body) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } },
        };
        _headers(request.Headers);
        using var response = _client.Send(request, HttpCompletionOption.ResponseHeadersRead, token);
        using var content = response.Content.ReadAsStream(token);
        if (!response.IsSuccessStatusCode)
        {
            var message = $"status {(int)response.StatusCode} ({response.ReasonPhrase})";
            throw response.StatusCode
                is HttpStatusCode.RequestTimeout
                    or HttpStatusCode.TooManyRequests
                    or >= HttpStatusCode.InternalServerError
                ? new TransientException(message, response.Headers.RetryAfter?.Delta)
                : Unexpected((int)response.StatusCode is >= 300 and < 400 ? $"{message}: redirects are not followed; name the address that answers" : message);
        }
        try
        {
            return JsonDocument.Parse(Limited(content));
        }
        catch (JsonException e)
        {
            throw Unexpected($"something that is not JSON ({e.Message})", e);
        }
    }

    private void Pace(CancellationToken token)
    {
        var now = _time.GetUtcNow();
        var wait = _next - now;
        _next = (wait > TimeSpan.Zero ? _next : now) + _pace;
        if (wait > TimeSpan.Zero)
            Task.Delay(wait, _time, token).GetAwaiter().GetResult();
    }

    private byte[] Limited(Stream content)
    {
        using var all = new MemoryStream();
        var buffer = new byte[1 << 16];
        for (int count; (count = content.Read(buffer)) > 0;)
        {
            all.Write(buffer, 0, count);
            if (all.Length > MostBytes)
                throw Unexpected($"more than {MostBytes >> 20} MB");
        }
        return all.ToArray();
    }

    private sealed class TransientException(string message, TimeSpan? retryAfter) : Exception(message)
    {
        public TimeSpan? RetryAfter { get; } = retryAfter;
    }
}
