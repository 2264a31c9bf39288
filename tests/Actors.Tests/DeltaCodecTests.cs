using DfPO.Actors.Weights;

namespace DfPO.Actors.Tests;

public sealed class DeltaCodecTests : IDisposable
{
    private readonly DeltaCodec _codec = new();

    /// <summary>Lengths around every boundary of the vectors, planes and elements.</summary>
    public static TheoryData<int, int> Shapes
    {
        get
        {
            var shapes = new TheoryData<int, int>();
            foreach (var elementSize in new[] { 1, 2, 4 })
                foreach (
                    var length in new[]
                    {
                    0,
                    1,
                    2,
                    3,
                    7,
                    8,
                    15,
                    16,
                    31,
                    32,
                    33,
                    63,
                    64,
                    65,
                    66,
                    127,
                    128,
                    129,
                    255,
                    256,
                    257,
                    511,
                    512,
                    513,
                    1000,
                    1001,
                    1002,
                    1003,
                    4096,
                    10007,
                    }
                )
                    shapes.Add(elementSize, length);
            return shapes;
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Any_bytes_come_back_from_any_others(int elementSize, int length)
    {
        var random = new Random((elementSize * 100_000) + length);
        foreach (var share in new[] { 0, 0.02, 0.5, 1 })
        {
            var from = new byte[length];
            random.NextBytes(from);
            var to = from.ToArray();
            for (var i = 0; i < length; i++)
                if (random.NextDouble() < share)
                    to[i] = (byte)random.Next(256);
            AssertRoundTrip(from, to, elementSize);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    public void Every_byte_different_comes_back(int elementSize)
    {
        var from = Enumerable.Range(0, 5000).Select(i => (byte)(i * 7)).ToArray();
        AssertRoundTrip(from, [.. from.Select(b => (byte)~b)], elementSize);
    }

    [Fact]
    public void Every_pair_of_extreme_numbers_comes_back_whatever_it_means_as_a_float()
    {
        // Zeros of both signs, infinities, quiet and signalling NaNs with payloads, subnormals, and the ends of the integers.
        ushort[] halves = [0, 0x8000, 0x7f80, 0xff80, 0x7fc0, 0x7f81, 0xffff, 0x7fff, 1, 0x8001, 0x007f, 0x3f80, 0xbf80];
        uint[] floats =
        [
            0,
            0x80000000,
            0x7f800000,
            0xff800000,
            0x7fc00001,
            0x7f800001,
            0xffffffff,
            0x7fffffff,
            1,
            0x80000001,
            0x007fffff,
            0x3f800000,
        ];
        AssertRoundTrip(
            [.. Pairs(halves).SelectMany(p => BitConverter.GetBytes(p.A))],
            [.. Pairs(halves).SelectMany(p => BitConverter.GetBytes(p.B))],
            2
        );
        AssertRoundTrip(
            [.. Pairs(floats).SelectMany(p => BitConverter.GetBytes(p.A))],
            [.. Pairs(floats).SelectMany(p => BitConverter.GetBytes(p.B))],
            4
        );
    }

    [Fact]
    public void Equal_chunks_cost_a_byte_and_noise_one_more_than_it_has()
    {
        var random = new Random(1);
        var (from, to) = (new byte[10_000], new byte[10_000]);
        random.NextBytes(from);
        random.NextBytes(to);
        Assert.Equal(1, AssertRoundTrip(from, from, 2));
        Assert.Equal(10_001, AssertRoundTrip(from, to, 2));
    }

    [Fact]
    public void A_step_of_one_size_costs_less_than_the_entropy_of_the_differences_for_the_elements_tell_who_changes()
    {
        var random = new Random(2);
        var (from, to) = (new byte[1 << 19], new byte[1 << 19]);
        var differences = new Dictionary<int, int>();
        for (var i = 0; i < from.Length; i += 2)
        {
            // Float32 behind the wire, as in training: what a step of 1e-5 changes of a bfloat16 depends on its exponent.
            var weight = 0.02f * (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));
            var (before, after) = (Rounded(weight), Rounded(weight + (1e-5f * ((random.Next(2) * 2) - 1))));
            BitConverter.TryWriteBytes(from.AsSpan(i), before);
            BitConverter.TryWriteBytes(to.AsSpan(i), after);
            differences[after - before] = differences.GetValueOrDefault(after - before) + 1;
        }
        var elements = from.Length / 2;
        var entropy = differences.Values.Sum(count => -count * Math.Log2(count / (double)elements)) / 8;
        Assert.InRange(entropy, 0.05 * from.Length, 0.2 * from.Length);
        Assert.InRange(AssertRoundTrip(from, to, 2), 0.5 * entropy, 0.8 * entropy);
    }

    [Fact]
    public void The_same_chunks_are_always_encoded_in_the_same_bytes()
    {
        var random = new Random(3);
        var from = new byte[5000];
        random.NextBytes(from);
        byte[] to = [.. from.Select((b, i) => i % 40 == 0 ? (byte)(b + 1) : b)];
        using var other = new DeltaCodec();
        AssertRoundTrip(to, from, 4);
        Assert.Equal(Encode(other, from, to, 2), Encode(_codec, from, to, 2));
    }

    [Fact]
    public void Bytes_that_are_no_delta_are_refused_or_give_other_weights_but_do_no_harm()
    {
        var random = new Random(4);
        var from = new byte[3000];
        random.NextBytes(from);
        byte[] to = [.. from.Select((b, i) => i % 30 == 0 ? (byte)(b + 1) : b)];
        var good = Encode(_codec, from, to, 2);
        Assert.InRange(good.Length, 2, to.Length);
        var decoded = new byte[to.Length];
        Assert.Throws<InvalidDataException>(() => _codec.Decode([], from, 2, decoded));
        Assert.Throws<InvalidDataException>(() => _codec.Decode([9, 1, 2], from, 2, decoded));
        for (var length = 1; length < good.Length; length++)
            Assert.Throws<InvalidDataException>(() => _codec.Decode(good.AsSpan(0, length), from, 2, decoded));
        Assert.Throws<InvalidDataException>(() => _codec.Decode([.. good, 0], from, 2, decoded));
        var refused = 0;
        for (var trial = 0; trial < 2000; trial++)
        {
            var bad = good.ToArray();
            for (var flips = random.Next(1, 8); flips > 0; flips--)
                bad[random.Next(bad.Length)] ^= (byte)(1 << random.Next(8));
            try
            {
                _codec.Decode(bad, from, 2, decoded);
            }
            catch (InvalidDataException)
            {
                refused++;
            }
        }
        Assert.True(refused > 0);
        _codec.Decode(good, from, 2, decoded);
        Assert.Equal(to, decoded);
    }

    public void Dispose() => _codec.Dispose();

    /// <summary>To the nearest bfloat16, ties to even.</summary>
    private static ushort Rounded(float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        return (ushort)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    }

    private static IEnumerable<(T A, T B)> Pairs<T>(T[] values) => values.SelectMany(a => values.Select(b => (a, b)));

    private static byte[] Encode(DeltaCodec codec, byte[] from, byte[] to, int elementSize)
    {
        var encoded = new byte[DeltaCodec.MaxEncodedLength(to.Length)];
        return encoded[..codec.Encode(from, to, elementSize, encoded)];
    }

    private int AssertRoundTrip(byte[] from, byte[] to, int elementSize)
    {
        var encoded = Encode(_codec, from, to, elementSize);
        var decoded = new byte[to.Length];
        _codec.Decode(encoded, from, elementSize, decoded);
        Assert.Equal(to, decoded);
        return encoded.Length;
    }
}
