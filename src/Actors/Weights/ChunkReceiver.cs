using System.Diagnostics;
using DfPO.Models;

namespace DfPO.Actors.Weights;

/// <summary>
/// The chunks of one version: which are in place, which are missing. What takes long to check runs on other threads while the next chunks
/// arrive; a chunk that is corrupt is fetched again alone. What is in place stays so when the route or the source changes.
/// </summary>
internal sealed class ChunkReceiver(WeightsManifest manifest) : IByteSink
{
    private const int CorruptAttempts = 3;
    private readonly bool[] _inPlace = new bool[manifest.Chunks];
    private readonly int[] _corrupt = new int[manifest.Chunks];
    private readonly List<Task> _checks = [];
    private ChunkRoute? _route;
    private string _url = "";
    private bool _once;
    private int _chunk;
    private long _position;
    private long _ready;

    /// <summary>Bytes of the weights in place.</summary>
    public long Ready => Interlocked.Read(ref _ready);

    /// <summary>Bytes received.</summary>
    public long Received { get; private set; }

    /// <summary>When the last byte came.</summary>
    public long LastProgress { get; private set; } = Stopwatch.GetTimestamp();

    /// <summary>Whether every chunk is in place.</summary>
    public bool Complete => Array.TrueForAll(_inPlace, chunk => chunk);

    /// <summary>Goes on by another route or from another source.</summary>
    /// <param name="route">How the bytes are encoded.</param>
    /// <param name="url">Where they come from.</param>
    /// <param name="once">Leave a chunk that is corrupt for the next route instead of fetching it again.</param>
    public void Follow(ChunkRoute route, string url, bool once)
    {
        (_route, _url, _once, _position) = (route, url, once, -1);
        Array.Clear(_corrupt);
    }

    /// <summary>Waits for the checks under way; nothing touches the buffers afterwards.</summary>
    public async Task Settle()
    {
        await Task.WhenAll(_checks).ConfigureAwait(false);
        _checks.Clear();
    }

    /// <inheritdoc/>
    /// <exception cref="DfpoException"><c>weights/corrupt</c>: a chunk came with other bytes than the manifest says, several
    /// times.</exception>
    public async ValueTask<(long From, long To)?> Missing()
    {
        await Settle().ConfigureAwait(false);
        if (Array.FindIndex(_corrupt, count => count >= CorruptAttempts) is >= 0 and var bad)
            throw new DfpoException(
                "weights/corrupt",
                $"{_url}: chunk {bad} of {manifest.Chunks} (bytes {manifest.Offset(bad)} to {manifest.Offset(bad) + manifest.LengthOf(bad) - 1}) of weights version {manifest.Version} came {CorruptAttempts} times with a checksum that is not the manifest's. The weights are not used; look at that machine's memory and network."
            );
        var first = Array.FindIndex(_inPlace, 0, chunk => !chunk);
        while (first >= 0 && _once && _corrupt[first] > 0)
            first = first + 1 < _inPlace.Length ? Array.FindIndex(_inPlace, first + 1, chunk => !chunk) : -1;
        if (first < 0)
            return null;
        // Where a connection was cut within this chunk, its bytes are there up to the cut.
        if (_position <= _route!.Start(first) || _position >= _route.Start(first + 1))
            _position = _route.Start(first);
        _chunk = first;
        var last = first;
        // Corrupt ones alone: the chunks behind it have their place already, or come in a range of their own.
        while (_corrupt[first] == 0 && last + 1 < _inPlace.Length && !_inPlace[last + 1] && _corrupt[last + 1] == 0)
            last++;
        return (_position, _route.Start(last + 1));
    }

    /// <inheritdoc/>
    public Memory<byte> Next() => _route!.Landing(_position, (int)(_route.Start(_chunk + 1) - _position));

    /// <inheritdoc/>
    public void Advance(int count)
    {
        _position += count;
        Received += count;
        LastProgress = Stopwatch.GetTimestamp();
        if (_position < _route!.Start(_chunk + 1))
            return;
        var (route, chunk) = (_route, _chunk++);
        if (route.IsQuick)
            Check(route, chunk);
        else
            _checks.Add(Task.Run(() => Check(route, chunk)));
    }

    private void Check(ChunkRoute route, int chunk)
    {
        if (route.Accept(chunk))
        {
            _inPlace[chunk] = true;
            Interlocked.Add(ref _ready, manifest.LengthOf(chunk));
        }
        else
        {
            _corrupt[chunk]++;
        }
    }
}
