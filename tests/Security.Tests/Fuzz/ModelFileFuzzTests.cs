using System.Text;
using System.Text.Json.Nodes;
using DfPO.Models;
using DfPO.Models.Chat.Jinja;
using DfPO.Models.Checkpoints;
using DfPO.Models.Gguf;
using DfPO.Models.Hub;
using DfPO.Models.Tokenizers;

namespace DfPO.Security.Tests.Fuzz;

/// <summary>Files of models, which others wrote.</summary>
public sealed class ModelFileFuzzTests : IDisposable
{
    private readonly FuzzFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Safetensors() =>
        Fuzzing.Feed(
            new Mutator(
                [Tensors("""{"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"b":{"dtype":"BF16","shape":[3],"data_offsets":[16,22]}}""", 22)],
                "\"F64\"", "[", "{", "__metadata__", "data_offsets", "null"
            ),
            input =>
            {
                using var file = SafetensorsFile.Open(File(input, "model.safetensors"));
            }
        );

    [Fact]
    public void Pickle()
    {
        // A state dict's beginnings: protocol 2, a dictionary with a text, numbers, a tuple and a known name.
        byte[] pickle =
        [
            .. "\x80\u0002}q\0(X\u0003\0\0\0abcq\u0001K\u0005X\u0001\0\0\0bG@\t!\u00FBTD-\u0018X\u0001\0\0\0c(K\u0001K\u0002tq\u0002u."
                .Select(c => (byte)c),
        ];
        Fuzzing.Feed(
            new Mutator([pickle], "ctorch._utils\n_rebuild_tensor_v2\n", "ccollections\nOrderedDict\n", "cos\nsystem\n", "R", "(", "Q", "\u008a"),
            input => new PickleReader(new MemoryStream(input)).Read(),
            e => e is FormatException
        );
    }

    [Fact]
    public void Torch_files() =>
        Fuzzing.Feed(
            new Mutator([System.IO.File.ReadAllBytes(Repository.Path("tests/checkpoints/gpt-nano-sort/pytorch_model.bin"))[^4096..]], "PK\u0001\u0002"),
            input =>
            {
                using var file = TorchFile.Open(File(input, "pytorch_model.bin"));
            }
        );

    [Fact]
    public void Gguf() =>
        Fuzzing.Feed(
            new Mutator([SmallGguf()], "general.architecture", "tokenizer.ggml.tokens", "llama"),
            input =>
            {
                var file = GgufFile.Read(File(input, "model.gguf"));
                GgufVocabulary.Read(file);
            }
        );

    [Fact]
    public void Tokenizer_json()
    {
        var folder = Repository.Path("tests/checkpoints/tiny-gpt2-hf-save");
        var settings = TokenizerSettings.Read(folder);
        Fuzzing.Feed(
            new Mutator(
                [System.IO.File.ReadAllBytes(Path.Combine(folder, TokenizerJson.FileName))],
                "\"Regex\":\"(a+)+$\"", "\"type\":\"Sequence\"", "{", "[", "null", "\"merges\"", "\\ud800", "\"Unigram\"", "\"WordPiece\""
            ),
            input => TokenizerJson.Read("tokenizer.json", input, settings)
        );
    }

    [Fact]
    public void Configurations()
    {
        byte[][] originals =
        [
            .. Directory
                .GetDirectories(Repository.Path("tests/fixtures"))
                .Select(folder => Path.Combine(folder, "config.json"))
                .Where(System.IO.File.Exists)
                .Select(System.IO.File.ReadAllBytes),
        ];
        Assert.True(originals.Length > 10);
        Directory.CreateDirectory(_folder["config"]);
        Fuzzing.Feed(
            new Mutator(originals, "null", "\"model_type\"", "[", "{", "\"rope_scaling\"", "-", "true", "1e308"),
            input =>
            {
                System.IO.File.WriteAllBytes(_folder["config/config.json"], input);
                PretrainedModels.ReadConfig(_folder["config"]);
            }
        );
    }

    [Fact]
    public void Chat_templates()
    {
        byte[][] originals =
        [
            .. Directory
                .GetFiles(Repository.Path("tests/chat"), "chat_template.jinja", SearchOption.AllDirectories)
                .Select(System.IO.File.ReadAllBytes),
        ];
        Dictionary<string, object?> variables = new()
        {
            ["messages"] = new List<object?>
            {
                new Dictionary<string, object?> { ["role"] = "user", ["content"] = "Hello" },
                new Dictionary<string, object?> { ["role"] = "assistant", ["content"] = "Hi" },
            },
            ["bos_token"] = "<s>",
            ["eos_token"] = "</s>",
            ["add_generation_prompt"] = true,
        };
        Fuzzing.Feed(
            new Mutator(originals, "{%", "{{", "%}", "}}", "for i in range(1000000)", "*", "'a' * 10", "namespace", "|tojson", "recursive", "macro"),
            input => JinjaTemplate.Parse(Encoding.UTF8.GetString(input), "fuzz").Render(variables, TimeProvider.System)
        );
    }

    [Fact]
    public void Hub_listings() =>
        Fuzzing.Feed(
            new Mutator(
                [Encoding.UTF8.GetBytes("""{"sha":"0123456789abcdef0123456789abcdef01234567","siblings":[{"rfilename":"config.json"},{"rfilename":"a/b.bin"}]}""")],
                "null", "[", "{", "\"sha\"", "..", "\\u0000"
            ),
            input => HubClient.ReadListing(input, new Uri("https://hub.example/api"))
        );

    private string File(byte[] content, string name)
    {
        System.IO.File.WriteAllBytes(_folder[name], content);
        return _folder[name];
    }

    private static byte[] Tensors(string header, int data) =>
        [.. BitConverter.GetBytes((long)header.Length), .. Encoding.UTF8.GetBytes(header), .. new byte[data]];

    /// <summary>Version 3: two texts, a list of texts, a number and a tensor.</summary>
    private static byte[] SmallGguf()
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        void Text(string text)
        {
            writer.Write((long)text.Length);
            writer.Write(Encoding.UTF8.GetBytes(text));
        }
        writer.Write(0x46554747u);
        writer.Write(3u);
        writer.Write(1L);
        writer.Write(4L);
        Text("general.architecture");
        writer.Write(8);
        Text("llama");
        Text("tokenizer.ggml.model");
        writer.Write(8);
        Text("llama");
        Text("tokenizer.ggml.tokens");
        writer.Write(9);
        writer.Write(8);
        writer.Write(3L);
        foreach (var token in new[] { "<unk>", "a", "b" })
            Text(token);
        Text("llama.block_count");
        writer.Write(4);
        writer.Write(1u);
        Text("token_embd.weight");
        writer.Write(2u);
        writer.Write(4L);
        writer.Write(3L);
        writer.Write(0);
        writer.Write(0L);
        while (stream.Length % 32 != 0)
            writer.Write((byte)0);
        writer.Write(new byte[48]);
        return stream.ToArray();
    }
}
