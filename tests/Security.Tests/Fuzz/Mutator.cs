using System.Text;

namespace DfPO.Security.Tests.Fuzz;

/// <summary>Makes wrong inputs of right ones, the same for the same seed.</summary>
/// <param name="originals">Right inputs, none of them empty.</param>
/// <param name="words">What the format is made of: put in where it does not belong.</param>
internal sealed class Mutator(IReadOnlyList<byte[]> originals, params string[] words)
{
    private static readonly byte[][] s_numbers =
    [
        .. new[] { "0", "-1", "1e999", "9223372036854775807", "-9223372036854775808", "4294967295", "99999999999999999999", "0.0000001", "NaN" }
            .Select(Encoding.UTF8.GetBytes),
    ];
    private static readonly byte[][] s_binary =
    [
        .. new long[] { 0, -1, 1, int.MaxValue, int.MinValue, long.MaxValue, 1L << 40, uint.MaxValue }.SelectMany(value =>
            new[] { BitConverter.GetBytes(value), BitConverter.GetBytes((int)value) }
        ),
    ];
    private readonly byte[][] _words = [.. words.Select(Encoding.UTF8.GetBytes)];

    /// <summary>The input of a seed.</summary>
    public byte[] Make(int seed)
    {
        var random = new Random(seed);
        List<byte> bytes = [.. originals[random.Next(originals.Count)]];
        for (var changes = 1 + (int)Math.Min(8, -Math.Log(1 - random.NextDouble()) * 2); changes > 0; changes--)
            Change(bytes, random);
        return [.. bytes];
    }

    private void Change(List<byte> bytes, Random random)
    {
        var at = random.Next(bytes.Count + 1);
        var rest = bytes.Count - at;
        switch (random.Next(10))
        {
            case 0 when rest > 0:
                bytes[at] ^= (byte)(1 << random.Next(8));
                break;
            case 1 when rest > 0:
                bytes[at] = (byte)random.Next(256);
                break;
            case 2:
                bytes.RemoveRange(at, random.Next(Math.Min(rest, 64) + 1));
                break;
            case 3 when random.Next(4) == 0:
                bytes.RemoveRange(at, rest);
                break;
            case 4:
                bytes.InsertRange(at, bytes.GetRange(at, random.Next(Math.Min(rest, 64) + 1)));
                break;
            case 5:
                var other = originals[random.Next(originals.Count)];
                var from = random.Next(other.Length);
                bytes.InsertRange(at, other.AsSpan(from, random.Next(Math.Min(other.Length - from, 64) + 1)));
                break;
            case 6:
                Overwrite(bytes, at, s_binary[random.Next(s_binary.Length)]);
                break;
            case 7 when _words.Length > 0:
                bytes.InsertRange(at, _words[random.Next(_words.Length)]);
                break;
            case 8 when Digits(bytes, random) is { } digits:
                bytes.RemoveRange(digits.At, digits.Count);
                bytes.InsertRange(digits.At, s_numbers[random.Next(s_numbers.Length)]);
                break;
            case 9 when random.Next(8) == 0:
                // Depth: what opens, again and again.
                if (rest > 0)
                    bytes.InsertRange(at, Enumerable.Repeat(bytes[at], 1 << random.Next(12)));
                break;
        }
    }

    private static void Overwrite(List<byte> bytes, int at, byte[] value)
    {
        for (var i = 0; i < value.Length && at + i < bytes.Count; i++)
            bytes[at + i] = value[i];
    }

    private static (int At, int Count)? Digits(List<byte> bytes, Random random)
    {
        var start = random.Next(bytes.Count + 1);
        var at = bytes.FindIndex(start, value => value is >= (byte)'0' and <= (byte)'9');
        if (at < 0)
            return null;
        var end = bytes.FindIndex(at, value => value is < (byte)'0' or > (byte)'9');
        return (at, (end < 0 ? bytes.Count : end) - at);
    }
}
