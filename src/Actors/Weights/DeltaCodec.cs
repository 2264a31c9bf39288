using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ZstdSharp;

namespace DfPO.Actors.Weights;

/// <summary>
/// Encodes a chunk of weights against the same chunk of other weights, without loss: nothing when they are equal, otherwise what has
/// changed, or the new bytes as they are where that is shorter. The result depends on its arguments alone; the object holds scratch memory,
/// so one thread at a time.
/// </summary>
/// <remarks>
/// <para>Elements are integers here, so the next number up or down is at a distance of one. An encoded chunk is one of</para>
/// <code>
/// 0                               the chunk is the same
/// 1  changed far down above tail  what has changed
/// 2  bytes                        the chunk as it is, where that is shorter
///
/// changed  zstd   a bit an element, class by class of magnitude: it is another number
/// far      int32  a bit a class: some of its elements have changed by more than one
///          zstd   of those classes, a bit a changed element, class by class: it is one of them
/// down     plain  a bit a changed element, in the order of the chunk: it has become smaller
/// above    zstd   of each far element, class by class, its distance less two: first all lowest bytes, then the next
/// tail     plain  bytes at the end that make no whole element
/// </code>
/// <para>"zstd" is an int32 with the packed length before the packed bytes, which are plain where that is not longer; bits are packed eight
/// to a byte. Directions are noise, which nothing makes shorter. How likely it is that a step of a given size changes an element depends on
/// the element's own magnitude, which the receiver has: so bits and distances come class by class of magnitude
/// (<see cref="ElementGroups{T}"/>), where zstd finds them alike.</para>
/// <para>Measured on 124M random bfloat16 weights of a GPT-2 and a first step of AdamW at 1e-5, which changes 37 % of them: 8.2 % of the
/// bytes, where the entropy of the differences is 12.2 %, that of the differences given the exponent 6.8 %, and bit planes of the
/// differences behind zstd took 15.0 % and a tenth more processor time.</para>
/// </remarks>
public sealed class DeltaCodec : IDisposable
{
    private const byte Same = 0;
    private const byte Changes = 1;
    private const byte Stored = 2;
    private readonly Compressor _compressor = new(1);
    private readonly Decompressor _decompressor = new();
    private ulong[] _classes = [];
    private ulong[] _changed = [];
    private ulong[] _down = [];
    private ulong[] _far = [];
    private byte[] _distances = [];
    private byte[] _bits = [];
    private byte[] _bytes = [];

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
        // No room for more than the stored form, which is then shorter.
        var room = destination[1..to.Length];
        var written = elementSize switch
        {
            1 => EncodeChanges<byte>(from, to, room),
            2 => EncodeChanges<ushort>(from, to, room),
            _ => EncodeChanges<uint>(from, to, room),
        };
        if (written is { } length)
        {
            destination[0] = Changes;
            return length + 1;
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
            case Changes when elementSize == 1:
                DecodeChanges<byte>(encoded[1..], from, to);
                return;
            case Changes when elementSize == 2:
                DecodeChanges<ushort>(encoded[1..], from, to);
                return;
            case Changes:
                DecodeChanges<uint>(encoded[1..], from, to);
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

    /// <summary>Bytes written, or null when there is no room for them.</summary>
    private int? EncodeChanges<T>(ReadOnlySpan<byte> fromBytes, ReadOnlySpan<byte> toBytes, Span<byte> room)
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        var from = MemoryMarshal.Cast<byte, T>(fromBytes);
        var to = MemoryMarshal.Cast<byte, T>(toBytes);
        var distances = Room<T>(from.Length, out var changed, out var down, out var far);
        var classes = ElementGroups<T>.Classify(from, ref _classes);
        ElementGroups<T>.Compare(from, to, distances, changed, down, far);
        var writer = new DeltaPartWriter(room, _compressor);
        var bits = 0;
        for (var c = 0; c < classes; c++)
            bits = MaskedBits.Write(_bits, bits, changed, Class(c, changed.Length));
        if (!writer.Pack(_bits.AsSpan(0, MaskedBits.Bytes(bits))))
            return null;
        var count = 0;
        var values = MemoryMarshal.Cast<byte, T>(_bytes.AsSpan());
        bits = 0;
        var farClasses = 0;
        for (var c = 0; c < classes; c++)
        {
            var members = Class(c, changed.Length);
            if (!MaskedBits.Meet(members, far))
                continue;
            farClasses |= 1 << c;
            MaskedBits.Restrict(members, changed);
            bits = MaskedBits.Write(_bits, bits, far, members);
            for (var g = 0; g < members.Length; g++)
                for (var who = members[g] & far[g]; who != 0; who &= who - 1)
                    values[count++] = distances[(g * ElementGroups<T>.Size) + BitOperations.TrailingZeroCount(who)] - T.One - T.One;
        }
        if (!writer.Number(farClasses) || !writer.Pack(_bits.AsSpan(0, MaskedBits.Bytes(bits))))
            return null;
        bits = MaskedBits.Write(_bits, 0, down, changed);
        if (!writer.Copy(_bits.AsSpan(0, MaskedBits.Bytes(bits))))
            return null;
        var planes = Planes<T>(count);
        for (var plane = 0; plane < Unsafe.SizeOf<T>(); plane++)
            for (var i = 0; i < count; i++)
                planes[(plane * count) + i] = byte.CreateTruncating(values[i] >>> (8 * plane));
        return writer.Pack(planes) && writer.Copy(toBytes[(to.Length * Unsafe.SizeOf<T>())..]) ? writer.Written : null;
    }

    private void DecodeChanges<T>(ReadOnlySpan<byte> encoded, ReadOnlySpan<byte> fromBytes, Span<byte> toBytes)
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        var from = MemoryMarshal.Cast<byte, T>(fromBytes);
        var to = MemoryMarshal.Cast<byte, T>(toBytes);
        var distances = Room<T>(from.Length, out var changed, out var down, out var far);
        changed.Clear();
        down.Clear();
        far.Clear();
        var classes = ElementGroups<T>.Classify(from, ref _classes);
        var reader = new DeltaPartReader(encoded, _decompressor);
        reader.Unpack(_bits.AsSpan(0, changed.Length * (ElementGroups<T>.Size / 8)));
        var bits = 0;
        for (var c = 0; c < classes; c++)
            bits = MaskedBits.Read(_bits, bits, changed, Class(c, changed.Length));
        // From here on lengths follow from what came: as many bits as are set, as many distances as are far.
        var farClasses = reader.Number();
        var (length, among) = (MaskedBits.Bytes(MaskedBits.Count(changed)), 0);
        for (var c = 0; c < classes; c++)
        {
            if ((farClasses >> c & 1) == 0)
                continue;
            MaskedBits.Restrict(Class(c, changed.Length), changed);
            among += MaskedBits.Count(Class(c, changed.Length));
        }
        reader.Unpack(_bits.AsSpan(0, MaskedBits.Bytes(among)));
        bits = 0;
        for (var c = 0; c < classes; c++)
            if ((farClasses >> c & 1) != 0)
                bits = MaskedBits.Read(_bits, bits, far, Class(c, changed.Length));
        reader.Take(length).CopyTo(_bits);
        MaskedBits.Read(_bits, 0, down, changed);
        var planes = Planes<T>(MaskedBits.Count(far));
        reader.Unpack(planes);
        ElementGroups<T>.Step(changed, distances);
        var values = Values<T>(planes);
        var next = 0;
        for (var c = 0; c < classes; c++)
        {
            if ((farClasses >> c & 1) == 0)
                continue;
            var members = Class(c, changed.Length);
            for (var g = 0; g < members.Length; g++)
                for (var who = members[g] & far[g]; who != 0; who &= who - 1)
                    distances[(g * ElementGroups<T>.Size) + BitOperations.TrailingZeroCount(who)] = values[next++];
        }
        ElementGroups<T>.Move(from, distances, down, to);
        var tail = toBytes[(to.Length * Unsafe.SizeOf<T>())..];
        if (reader.Rest.Length != tail.Length)
            throw new InvalidDataException("The delta of a chunk is followed by something else.");
        reader.Rest.CopyTo(tail);
    }

    private Span<ulong> Class(int index, int groups) => _classes.AsSpan(index * groups, groups);

    /// <summary>Room for the planes of the distances above one.</summary>
    private Span<byte> Planes<T>(int count)
        where T : unmanaged => _bytes.AsSpan(_bytes.Length / 2, count * Unsafe.SizeOf<T>());

    /// <summary>The distances above one, from their planes.</summary>
    private Span<T> Values<T>(ReadOnlySpan<byte> planes)
        where T : unmanaged, IBinaryInteger<T>
    {
        var values = MemoryMarshal.Cast<byte, T>(_bytes.AsSpan(0, planes.Length));
        values.Fill(T.One + T.One);
        for (var plane = 0; plane < Unsafe.SizeOf<T>(); plane++)
        {
            var bytes = planes.Slice(plane * values.Length, values.Length);
            for (var i = 0; i < bytes.Length; i++)
                values[i] += T.CreateTruncating(bytes[i]) << (8 * plane);
        }
        return values;
    }

    /// <summary>Scratch memory for so many elements.</summary>
    private Span<T> Room<T>(int elements, out Span<ulong> changed, out Span<ulong> down, out Span<ulong> far)
        where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        var groups = ElementGroups<T>.Count(elements);
        var all = groups * ElementGroups<T>.Size;
        if (_bits.Length < (all / 8) + MaskedBits.Slack)
        {
            (_changed, _down, _far) = (new ulong[groups], new ulong[groups], new ulong[groups]);
            _bits = new byte[(all / 8) + MaskedBits.Slack];
        }
        var bytes = all * Unsafe.SizeOf<T>();
        if (_distances.Length < bytes)
            (_distances, _bytes) = (new byte[bytes], new byte[2 * bytes]);
        changed = _changed.AsSpan(0, groups);
        down = _down.AsSpan(0, groups);
        far = _far.AsSpan(0, groups);
        return MemoryMarshal.Cast<byte, T>(_distances.AsSpan(0, bytes));
    }
}
