using Microsoft.Win32.SafeHandles;

namespace DfPO.Actors.Weights;

/// <summary>Bytes that land in a file.</summary>
internal sealed class FileSink(SafeFileHandle file, long length) : IByteSink
{
    private readonly byte[] _buffer = new byte[(int)Math.Min(length, 1 << 20)];
    private long _position;

    public ValueTask<(long From, long To)?> Missing() => new(_position < length ? (_position, length) : null);

    public Memory<byte> Next() => _buffer;

    public void Advance(int count)
    {
        RandomAccess.Write(file, _buffer.AsSpan(0, count), _position);
        _position += count;
    }
}
