using System.Net;
using System.Net.Http.Headers;

namespace DfPO.Actors.Weights;

/// <summary>Where bytes of a resource land.</summary>
internal interface IByteSink
{
    /// <summary>The next range to ask for, or null when everything is there.</summary>
    ValueTask<(long From, long To)?> Missing();

    /// <summary>Room for the next bytes of the range; not empty while any are missing.</summary>
    Memory<byte> Next();

    /// <summary>So many bytes have been put there.</summary>
    void Advance(int count);
}

/// <summary>Reads ranges over HTTP into memory that somebody else owns; a cut connection goes on where it stood.</summary>
internal sealed class BulkReader(HttpClient http, WeightsClientOptions options)
{
    /// <summary>Asks for ranges until nothing is missing.</summary>
    /// <exception cref="HttpRequestException">And <see cref="IOException"/>, <see cref="TimeoutException"/>: too many failures in a row, or
    /// an answer that another attempt cannot change.</exception>
    public async Task Fill(string url, IByteSink sink, CancellationToken cancellation)
    {
        for (var failures = 0; await sink.Missing().ConfigureAwait(false) is { } range;)
        {
            var received = 0L;
            try
            {
                await Read(url, range.From, range.To, sink, count => received += count, cancellation).ConfigureAwait(false);
                failures = 0;
            }
            catch (Exception e) when (IsTransient(e))
            {
                failures = received > 0 ? 1 : failures + 1;
                if (failures >= options.Attempts)
                    throw;
                await Task.Delay(TimeSpan.FromMilliseconds(100 * failures), cancellation).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Whether an error is one of the connection, so that another attempt or another source may go well.</summary>
    public static bool IsNetwork(Exception e) => e is HttpRequestException or IOException or TimeoutException;

    private static bool IsTransient(Exception e) =>
        IsNetwork(e) && e is not HttpRequestException { StatusCode: >= HttpStatusCode.BadRequest and < HttpStatusCode.InternalServerError };

    private async Task Read(string url, long from, long to, IByteSink sink, Action<int> received, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, url);
        request.Headers.Range = new RangeHeaderValue(from, to - 1);
        using var timer = new CancellationTokenSource(options.Stall, options.Clock);
        using var stalled = CancellationTokenSource.CreateLinkedTokenSource(cancellation, timer.Token);
        try
        {
            using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, stalled.Token)
                .ConfigureAwait(false);
            response.EnsureSuccessStatusCode();
            if (response.StatusCode != HttpStatusCode.PartialContent || response.Content.Headers.ContentRange?.From != from)
                throw new HttpRequestException(
                    $"the server did not answer bytes {from} to {to - 1}",
                    null,
                    HttpStatusCode.RequestedRangeNotSatisfiable
                );
            await using var source = await response.Content.ReadAsStreamAsync(stalled.Token).ConfigureAwait(false);
            while (from < to)
            {
                var room = sink.Next();
                var count = await source.ReadAsync(room[..(int)Math.Min(room.Length, to - from)], stalled.Token).ConfigureAwait(false);
                if (count == 0)
                    throw new IOException("the connection ended early");
                timer.CancelAfter(options.Stall);
                sink.Advance(count);
                received(count);
                from += count;
            }
        }
        catch (OperationCanceledException e) when (!cancellation.IsCancellationRequested)
        {
            throw new TimeoutException($"no byte for {options.Stall.TotalSeconds:F0} s", e);
        }
    }
}
