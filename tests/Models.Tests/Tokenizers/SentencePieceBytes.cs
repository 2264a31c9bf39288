using System.Text;
using System.Text.Json;

namespace DfPO.Models.Tests.Tokenizers;

/// <summary>SentencePiece model files put together by hand.</summary>
internal static class SentencePieceBytes
{
    /// <summary>A piece's kinds that the tests use, with SentencePiece's numbers.</summary>
    public enum Kind
    {
        Normal = 1,
        Unknown = 2,
        Control = 3,
        Byte = 6,
    }

    /// <summary>A whole file.</summary>
    public static byte[] Model(IEnumerable<(string Text, float Score, Kind Kind)> pieces, bool bpe, int unk, int bos, int eos, int pad) =>
        [
            .. pieces.SelectMany(piece =>
                Field(
                    1,
                    [
                        .. Field(1, Encoding.UTF8.GetBytes(piece.Text)),
                        (2 << 3) | 5,
                        .. BitConverter.GetBytes(piece.Score),
                        .. Number(3, (int)piece.Kind),
                    ]
                )
            ),
            .. Field(
                2,
                [
                    .. Number(3, bpe ? 2 : 1),
                    .. Number(35, bpe ? 1 : 0),
                    .. Number(40, unk),
                    .. Number(41, bos),
                    .. Number(42, eos),
                    .. Number(43, pad),
                ]
            ),
            .. Field(3, [.. Field(1, "identity"u8.ToArray()), .. Number(3, 1), .. Number(4, bpe ? 0 : 1), .. Number(5, 1)]),
        ];

    /// <summary>The vocabulary of <c>tokens.json</c> as <c>tokenizer.model</c>.</summary>
    public static byte[] Llama(string tokensJson)
    {
        using var tokens = JsonDocument.Parse(File.ReadAllBytes(tokensJson));
        return Model(
            tokens
                .RootElement.EnumerateArray()
                .Select(
                    (token, id) =>
                        (
                            id switch
                            {
                                0 => "<unk>",
                                1 => "<s>",
                                2 => "</s>",
                                _ => token[0].GetString()!.Replace(' ', '\u2581'),
                            },
                            token[1].GetSingle(),
                            id switch
                            {
                                0 => Kind.Unknown,
                                1 or 2 => Kind.Control,
                                < 259 => Kind.Byte,
                                _ => Kind.Normal,
                            }
                        )
                ),
            bpe: true,
            0,
            1,
            2,
            -1
        );
    }

    /// <summary>The first pieces of a real file, with its own trainer and normaliser.</summary>
    public static byte[] First(string path, int pieces)
    {
        var (file, kept, at) = (File.ReadAllBytes(path), new List<byte>(), 0);
        while (at < file.Length)
        {
            var start = at;
            var (tag, length) = (Varint(), Varint());
            at += length;
            if (tag >> 3 != 1 || pieces-- > 0)
                kept.AddRange(file[start..at]);
        }
        return [.. kept];

        int Varint()
        {
            var (value, shift) = (0, 0);
            for (; file[at] >= 0x80; shift += 7)
                value |= (file[at++] & 0x7f) << shift;
            return value | (file[at++] << shift);
        }
    }

    private static byte[] Field(int number, byte[] content) =>
        [.. Varint(((ulong)number << 3) | 2), .. Varint((ulong)content.Length), .. content];

    private static byte[] Number(int number, long value) => [.. Varint((ulong)number << 3), .. Varint((ulong)value)];

    private static byte[] Varint(ulong value)
    {
        List<byte> bytes = [];
        for (; value >= 0x80; value >>= 7)
            bytes.Add((byte)(value | 0x80));
        return [.. bytes, (byte)value];
    }
}
