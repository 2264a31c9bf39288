using System.IO.Compression;
using DfPO.Models;

namespace DfPO.Tasks.Tables;

/// <summary>
/// What a compressed file holds. A file that is damaged, or that would unpack to far more than any text does, is refused with its name.
/// </summary>
/// <param name="inner">Unpacks.</param>
/// <param name="path">The file.</param>
/// <param name="packed">Its bytes.</param>
internal sealed class Unpacked(Stream inner, string path, long packed) : Stream
{
    // The longest run of one letter has a ratio of a thousand; texts have 3 to 20, tables of repeated rows 200.
    private const long MostRatio = 500,
        Granted = 64 << 20;

    private long _read;

    /// <inheritdoc/>
    public override bool CanRead => true;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => false;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position
    {
        get => _read;
        set => throw new NotSupportedException();
    }

    /// <summary>Unpacks gzip.</summary>
    public static Unpacked Gzip(FileStream file) => new(new GZipStream(file, CompressionMode.Decompress), file.Name, file.Length);

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        int count;
        try
        {
            count = inner.Read(buffer);
        }
        catch (Exception e) when (e is not (DfpoException or OutOfMemoryException))
        {
            throw new DfpoException(
                "archive/damaged",
                $"'{path}' cannot be unpacked ({e.Message.TrimEnd('.')}): it is cut off or damaged, fetch it again.",
                e
            );
        }
        _read += count;
        return _read - Granted <= packed * MostRatio
            ? count
            : throw new DfpoException(
                "archive/bomb",
                $"'{path}' of {packed} bytes unpacks to more than {MostRatio} times as much, which no text does: it is not unpacked further."
            );
    }

    /// <inheritdoc/>
    public override void Flush() { }

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            inner.Dispose();
        base.Dispose(disposing);
    }
}
