using System.Text;

namespace DfPO.Models.Tests.Gguf;

/// <summary>GGUF files made byte by byte, apart from the product's writer.</summary>
internal sealed class GgufBytes
{
    private readonly List<(string Key, Action<BinaryWriter> Write)> _metadata = [];
    private readonly List<(string Name, uint Type, ulong[] Sizes, byte[] Data)> _tensors = [];

    public uint Version { get; set; } = 3;

    public int Alignment { get; set; } = 32;

    public GgufBytes With(string key, object value)
    {
        _metadata.RemoveAll(item => item.Key == key);
        _metadata.Add((key, writer => Value(writer, value)));
        return this;
    }

    /// <summary>A tensor; its sizes are in ggml's order, the contiguous one first.</summary>
    public GgufBytes Tensor(string name, uint type, byte[] data, params ulong[] sizes)
    {
        _tensors.RemoveAll(item => item.Name == name);
        _tensors.Add((name, type, sizes, data));
        return this;
    }

    public byte[] ToArray()
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write("GGUF"u8);
        writer.Write(Version);
        writer.Write((ulong)_tensors.Count);
        writer.Write((ulong)_metadata.Count);
        foreach (var (key, write) in _metadata)
        {
            Text(writer, key);
            write(writer);
        }
        var offset = 0;
        foreach (var (name, type, sizes, data) in _tensors)
        {
            Text(writer, name);
            writer.Write((uint)sizes.Length);
            foreach (var size in sizes)
                writer.Write(size);
            writer.Write(type);
            writer.Write((ulong)offset);
            offset = (offset + data.Length + Alignment - 1) / Alignment * Alignment;
        }
        foreach (var (_, _, _, data) in _tensors)
        {
            writer.Write(new byte[((stream.Position + Alignment - 1) / Alignment * Alignment) - stream.Position]);
            writer.Write(data);
        }
        return stream.ToArray();
    }

    /// <summary>
    /// A Llama of one block, all of whose weights are float32, with a tokenizer of the letters a to d and a chat template.
    /// </summary>
    public static GgufBytes Llama(int width = 8, int vocabulary = 6)
    {
        var random = new Random(3);
        byte[] Floats(int count) =>
            [.. Enumerable.Range(0, count).SelectMany(_ => BitConverter.GetBytes((float)(random.NextDouble() - 0.5)))];
        ulong w = (ulong)width;
        var file = new GgufBytes()
            .With("general.architecture", "llama")
            .With("llama.block_count", 1u)
            .With("llama.context_length", 16u)
            .With("llama.embedding_length", (uint)width)
            .With("llama.feed_forward_length", 12u)
            .With("llama.attention.head_count", 2u)
            .With("llama.attention.head_count_kv", 1u)
            .With("llama.attention.layer_norm_rms_epsilon", 1e-5f)
            .With("llama.rope.dimension_count", (uint)width / 2)
            .With("tokenizer.ggml.model", "gpt2")
            .With("tokenizer.ggml.pre", "gpt-2")
            .With(
                "tokenizer.ggml.tokens",
                Enumerable
                    .Range(0, vocabulary)
                    .Select(i =>
                        i == 5 ? "<e>"
                        : i == 4 ? "ab"
                        : ((char)('a' + i)).ToString()
                    )
                    .ToArray()
            )
            .With("tokenizer.ggml.token_type", Enumerable.Range(0, vocabulary).Select(i => i == 5 ? 3 : 1).ToArray())
            .With("tokenizer.ggml.merges", new[] { "a b" })
            .With("tokenizer.ggml.eos_token_id", 5u)
            .With("tokenizer.chat_template", "{{ messages[0].content }}");
        file.Tensor("token_embd.weight", 0, Floats(width * vocabulary), w, (ulong)vocabulary)
            .Tensor("output_norm.weight", 0, Floats(width), w);
        foreach (
            var (name, from, to) in new[]
            {
                ("attn_q", width, width),
                ("attn_k", width, width / 2),
                ("attn_v", width, width / 2),
                ("attn_output", width, width),
                ("ffn_gate", width, 12),
                ("ffn_up", width, 12),
                ("ffn_down", 12, width),
            }
        )
            file.Tensor($"blk.0.{name}.weight", 0, Floats(from * to), (ulong)from, (ulong)to);
        foreach (var name in new[] { "attn_norm", "ffn_norm" })
            file.Tensor($"blk.0.{name}.weight", 0, Floats(width), w);
        return file;
    }

    private static void Value(BinaryWriter writer, object value)
    {
        switch (value)
        {
            case uint number:
                writer.Write(4u);
                writer.Write(number);
                break;
            case ulong number:
                writer.Write(10u);
                writer.Write(number);
                break;
            case float number:
                writer.Write(6u);
                writer.Write(number);
                break;
            case bool flag:
                writer.Write(7u);
                writer.Write(flag);
                break;
            case string text:
                writer.Write(8u);
                Text(writer, text);
                break;
            case string[] texts:
                writer.Write(9u);
                writer.Write(8u);
                writer.Write((ulong)texts.Length);
                foreach (var text in texts)
                    Text(writer, text);
                break;
            case int[] numbers:
                writer.Write(9u);
                writer.Write(5u);
                writer.Write((ulong)numbers.Length);
                foreach (var number in numbers)
                    writer.Write(number);
                break;
            default:
                throw new ArgumentException(value.GetType().Name);
        }
    }

    private static void Text(BinaryWriter writer, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        writer.Write((ulong)bytes.Length);
        writer.Write(bytes);
    }
}
