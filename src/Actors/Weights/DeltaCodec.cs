using ZstdSharp;

namespace DfPO.Actors.Weights;

/// <summary>
/// Encodes a chunk of weights against the same chunk of other weights, without loss: nothing when they are equal, otherwise the bit planes of the
/// differences (<see cref="BitPlanes"/>) behind zstd, or the new bytes as they are where that is shorter. The result depends on its arguments alone; the
/// object holds scratch memory, so one thread at a time.
/// </summary>
public sealed class DeltaCodec : IDisposable
{
    private const byte Same = 0;
    private const byte Planes = 1;
    private const byte Stored = 2;
    private readonly Compressor _compressor = new(1);
    private readonly Decompressor _decompressor = new();
    private byte[] _bytes = [];
    private byte[] _planes = [];

    /// <summary>Most bytes that a chunk of a length is encoded in.</summary>
    public static int MaxEncodedLength(int length) => length + 1;

    /// <summary>Encodes.</summary>
    /// <param name="from">The chunk that the receiver has.</param>
    /// <param name="to">The chunk that it should have; as long.</param>
    /// <param name="elementSize">Bytes of an element: 1, 2 or 4. Any other number of bytes at the end is kept as it is.</param>
    /// <param name="destination">At least <see cref="MaxEncodedLength"/> bytes.</param>
    /// <returns>Bytes written.</returns>
    public int Encode(ReadOnlySpan<byte> from, ReadOnlySpan<byte> to, int elementSize, Span<byte> destination)
    {
        if (from.Length != to.Length)
            throw new ArgumentException($"A chunk of {to.Length} bytes has no delta from one of {from.Length}.", nameof(from));
        if (from.SequenceEqual(to))
        {
            destination[0] = Same;
            return 1;
        }
        var layout = new Layout(to.Length, elementSize, this);
        BitPlanes.Subtract(from[..layout.Whole], to[..layout.Whole], elementSize, layout.Bytes);
        for (var plane = 0; plane < elementSize; plane++)
            BitPlanes.Split(layout.BytePlane(plane), layout.BitPlanesOf(plane));
        to[layout.Whole..].CopyTo(layout.Tail);
        // No room for more than the stored form: then zstd gives up by itself.
        if (_compressor.TryWrap(layout.All, destination[1..(to.Length + 1)], out var written) && written < to.Length)
        {
            destination[0] = Planes;
            return written + 1;
        }
        destination[0] = Stored;
        to.CopyTo(destination[1..]);
        return to.Length + 1;
    }

    /// <summary>Decodes.</summary>
    /// <param name="encoded">What <see cref="Encode"/> wrote.</param>
    /// <param name="from">The chunk that it was encoded against.</param>
    /// <param name="elementSize">As for <see cref="Encode"/>.</param>
    /// <param name="to">Receives the new chunk; as long as <paramref name="from"/>. What it holds after a failure is undefined.</param>
    /// <exception cref="InvalidDataException">The bytes are not what <see cref="Encode"/> writes.</exception>
    public void Decode(ReadOnlySpan<byte> encoded, ReadOnlySpan<byte> from, int elementSize, Span<byte> to)
    {
        switch (encoded.Length > 0 ? encoded[0] : -1)
        {
            case Same when encoded.Length == 1:
                from.CopyTo(to);
                return;
            case Stored when encoded.Length == to.Length + 1:
                encoded[1..].CopyTo(to);
                return;
            case Planes:
                var layout = new Layout(to.Length, elementSize, this);
                Unwrap(encoded[1..], layout.All);
                for (var plane = 0; plane < elementSize; plane++)
                    BitPlanes.Join(layout.BitPlanesOf(plane), layout.BytePlane(plane));
                BitPlanes.Add(from[..layout.Whole], layout.Bytes, elementSize, to[..layout.Whole]);
                layout.Tail.CopyTo(to[layout.Whole..]);
                return;
            default:
                throw new InvalidDataException($"{encoded.Length} bytes are not the delta of a chunk of {to.Length}.");
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _compressor.Dispose();
        _decompressor.Dispose();
    }

    private void Unwrap(ReadOnlySpan<byte> encoded, Span<byte> planes)
    {
        try
        {
            if (_decompressor.TryUnwrap(encoded, planes, out var written) && written == planes.Length)
                return;
        }
        catch (ZstdException e)
        {
            throw new InvalidDataException($"The delta of a chunk cannot be decompressed ({e.Message}).", e);
        }
        throw new InvalidDataException("The delta of a chunk has another length than the chunk.");
    }

    /// <summary>Where what lies in the scratch memory.</summary>
    private readonly ref struct Layout
    {
        private readonly int _elements;
        private readonly int _planeBytes;

        public Layout(int length, int elementSize, DeltaCodec codec)
        {
            _elements = length / elementSize;
            _planeBytes = (_elements + 7) / 8 * 8;
            Whole = _elements * elementSize;
            var all = (_planeBytes * elementSize) + length - Whole;
            if (codec._bytes.Length < Whole)
                codec._bytes = new byte[Whole];
            if (codec._planes.Length < all)
                codec._planes = new byte[all];
            Bytes = codec._bytes.AsSpan(0, Whole);
            All = codec._planes.AsSpan(0, all);
            Tail = All[(_planeBytes * elementSize)..];
        }

        /// <summary>Bytes of whole elements.</summary>
        public int Whole { get; }

        /// <summary>Byte planes.</summary>
        public Span<byte> Bytes { get; }

        /// <summary>Bit planes and tail: what is compressed.</summary>
        public Span<byte> All { get; }

        /// <summary>What is left behind the last whole element.</summary>
        public Span<byte> Tail { get; }

        public Span<byte> BytePlane(int plane) => Bytes.Slice(plane * _elements, _elements);

        public Span<byte> BitPlanesOf(int plane) => All.Slice(plane * _planeBytes, _planeBytes);
    }
}
