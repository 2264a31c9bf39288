using DfPO.Actors.Weights;

namespace DfPO.Actors.Tests;

public sealed class MaskedBitsTests
{
    [Fact]
    public void Bits_move_together_and_back_on_every_processor_alike()
    {
        Assert.Equal(0b101ul, MaskedBits.ExtractSlowly(0b1000_0010ul, 0b1000_1010ul));
        Assert.Equal(0b1000_0010ul, MaskedBits.DepositSlowly(0b101ul, 0b1000_1010ul));
        var random = new Random(1);
        for (var trial = 0; trial < 2000; trial++)
        {
            var (word, mask) = ((ulong)random.NextInt64(long.MinValue, long.MaxValue), Mask(random));
            Assert.Equal(MaskedBits.ExtractSlowly(word, mask), MaskedBits.Extract(word, mask));
            Assert.Equal(MaskedBits.DepositSlowly(word, mask), MaskedBits.Deposit(word, mask));
            Assert.Equal(word & mask, MaskedBits.DepositSlowly(MaskedBits.ExtractSlowly(word, mask), mask));
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(500)]
    public void What_masks_take_from_words_comes_back_to_their_places(int words)
    {
        var random = new Random(words);
        var all = Enumerable.Range(0, words).Select(_ => (ulong)random.NextInt64(long.MinValue, long.MaxValue)).ToArray();
        // Classes: each bit of a word is in one mask, so both passes together take every bit.
        var masks = all.Select(_ => Mask(random)).ToArray();
        var others = masks.Select(mask => ~mask).ToArray();
        var stream = new byte[(8 * words) + MaskedBits.Slack];
        Array.Fill(stream, (byte)0xff);
        var first = MaskedBits.Write(stream, 0, all, masks);
        Assert.Equal(MaskedBits.Count(masks), first);
        Assert.Equal(64 * words, MaskedBits.Write(stream, first, all, others));
        var back = new ulong[words];
        Assert.Equal(first, MaskedBits.Read(stream, 0, back, masks));
        Assert.Equal(64 * words, MaskedBits.Read(stream, first, back, others));
        Assert.Equal(all, back);
    }

    [Fact]
    public void Words_meet_where_both_have_a_bit()
    {
        Assert.False(MaskedBits.Meet([1, 2], [2, 1]));
        Assert.True(MaskedBits.Meet([1, 2], [2, 3]));
        ulong[] words = [7, 8];
        MaskedBits.Restrict(words, [3, 7]);
        Assert.Equal([3ul, 0ul], words);
        Assert.Equal(2, MaskedBits.Count(words));
    }

    /// <summary>Masks with few bits, about half of them, and all or none.</summary>
    private static ulong Mask(Random random) =>
        random.Next(5) switch
        {
            0 => 0,
            1 => ulong.MaxValue,
            2 => 1ul << random.Next(64),
            _ => (ulong)random.NextInt64(long.MinValue, long.MaxValue),
        };
}
