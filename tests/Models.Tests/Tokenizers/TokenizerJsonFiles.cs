using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace DfPO.Models.Tests.Tokenizers;

/// <summary>What HF's <c>tokenizer.json</c> says for tokenizers whose other files are at hand.</summary>
internal static class TokenizerJsonFiles
{
    private const string Llama3Pieces =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private static JsonObject ByteLevel =>
        new()
        {
            ["type"] = "ByteLevel",
            ["add_prefix_space"] = false,
            ["trim_offsets"] = true,
            ["use_regex"] = true,
        };

    /// <summary>Without the model's type, as the published file.</summary>
    public static JsonObject Gpt2(string folder)
    {
        var model = BytePairs(Vocabulary(folder), Merges(folder));
        model.Remove("type");
        return Whole(null, ByteLevel, ByteLevel, "ByteLevel", model, [("<|endoftext|>", 50256)]);
    }

    public static JsonObject Roberta(string vocabulary, string merges)
    {
        var ids = Vocabulary(vocabulary);
        var around = new JsonObject
        {
            ["type"] = "RobertaProcessing",
            ["sep"] = new JsonArray("</s>", 2),
            ["cls"] = new JsonArray("<s>", 0),
            ["trim_offsets"] = true,
            ["add_prefix_space"] = false,
        };
        return Whole(
            null,
            ByteLevel,
            around,
            "ByteLevel",
            BytePairs(ids, Merges(merges)),
            [.. new[] { "<s>", "<pad>", "</s>", "<unk>", "<mask>" }.Select(token => (token, ids[token]))]
        );
    }

    /// <summary>
    /// Llama 3's rules over the first 5000 tokens of GPT-2; without every third merge, so that pieces which are tokens are not always
    /// merged to them.
    /// </summary>
    public static JsonObject Llama3(string gpt2)
    {
        const int Size = 5000;
        var ids = Vocabulary(gpt2).Where(token => token.Value < Size).ToDictionary();
        var model = BytePairs(ids, Merges(gpt2).Take(Size - 256).Where((_, rank) => rank % 3 != 2));
        (model["ignore_merges"], model["merges"]) = (
            true,
            new JsonArray([.. model["merges"]!.AsArray().Select(merge => new JsonArray([.. merge!.ToString().Split(' ')]))])
        );
        var split = new JsonObject
        {
            ["type"] = "Split",
            ["pattern"] = new JsonObject { ["Regex"] = Llama3Pieces },
            ["behavior"] = "Isolated",
            ["invert"] = false,
        };
        var bytes = ByteLevel;
        bytes["use_regex"] = false;
        return Whole(
            null,
            Sequence("pretokenizers", split, bytes),
            Sequence("processors", ByteLevel, Template(["<|begin_of_text|>"], [], ("<|begin_of_text|>", Size))),
            "ByteLevel",
            model,
            [("<|begin_of_text|>", Size), ("<|end_of_text|>", Size + 1), ("<|eot_id|>", Size + 2)]
        );
    }

    public static JsonObject Bert(IEnumerable<string> tokens, bool lower)
    {
        var ids = tokens.Index().ToDictionary(token => token.Item, token => token.Index);
        var normalizer = new JsonObject
        {
            ["type"] = "BertNormalizer",
            ["clean_text"] = true,
            ["handle_chinese_chars"] = true,
            ["strip_accents"] = null,
            ["lowercase"] = lower,
        };
        var model = new JsonObject
        {
            ["type"] = "WordPiece",
            ["unk_token"] = "[UNK]",
            ["continuing_subword_prefix"] = "##",
            ["max_input_chars_per_word"] = 100,
            ["vocab"] = Object(ids),
        };
        string[] special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
        return Whole(
            normalizer,
            new JsonObject { ["type"] = "BertPreTokenizer" },
            Template(["[CLS]"], ["[SEP]"], ("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])),
            "WordPiece",
            model,
            [.. special.Where(ids.ContainsKey).Select(token => (token, ids[token]))]
        );
    }

    /// <summary>The pieces and the map of characters of a SentencePiece model, with 100 sentinels behind them.</summary>
    public static JsonObject T5(byte[] spiece)
    {
        var vocabulary = new JsonArray();
        byte[] map = [];
        foreach (var (field, content) in Messages(spiece))
        {
            var parts = Messages(content).ToArray();
            if (field == 1)
                vocabulary.Add(
                    new JsonArray(
                        Encoding.UTF8.GetString(parts.First(part => part.Field == 1).Content),
                        BitConverter.ToSingle(parts.First(part => part.Field == 2).Content)
                    )
                );
            else if (field == 3)
                map = parts.First(part => part.Field == 2).Content;
        }
        for (var number = 99; number >= 0; number--)
            vocabulary.Add(new JsonArray($"<extra_id_{number}>", 0f));
        var normalizer = new JsonObject { ["type"] = "Precompiled", ["precompiled_charsmap"] = Convert.ToBase64String(map) };
        var space = new JsonObject
        {
            ["type"] = "Metaspace",
            ["replacement"] = "\u2581",
            ["add_prefix_space"] = true,
        };
        var size = vocabulary.Count;
        return Whole(
            normalizer,
            Sequence("pretokenizers", new JsonObject { ["type"] = "WhitespaceSplit" }, space),
            Template([], ["</s>"], ("</s>", 1)),
            "Metaspace",
            new JsonObject
            {
                ["type"] = "Unigram",
                ["unk_id"] = 2,
                ["vocab"] = vocabulary,
            },
            [
                ("<pad>", 0),
                ("</s>", 1),
                ("<unk>", 2),
                .. Enumerable.Range(0, 100).Select(number => ($"<extra_id_{number}>", size - 1 - number)),
            ]
        );
    }

    private static JsonObject Whole(
        JsonObject? normalizer,
        JsonObject cut,
        JsonObject around,
        string decoder,
        JsonObject model,
        IEnumerable<(string Text, int Id)> special
    ) =>
        new()
        {
            ["version"] = "1.0",
            ["truncation"] = null,
            ["padding"] = null,
            ["added_tokens"] = new JsonArray([
                .. special
                    .OrderBy(token => token.Id)
                    .Select(token => new JsonObject
                    {
                        ["id"] = token.Id,
                        ["content"] = token.Text,
                        ["single_word"] = false,
                        ["lstrip"] = false,
                        ["rstrip"] = false,
                        ["normalized"] = false,
                        ["special"] = true,
                    }),
            ]),
            ["normalizer"] = normalizer,
            ["pre_tokenizer"] = cut,
            ["post_processor"] = around,
            ["decoder"] = decoder switch
            {
                "ByteLevel" => ByteLevel,
                "WordPiece" => new JsonObject
                {
                    ["type"] = decoder,
                    ["prefix"] = "##",
                    ["cleanup"] = true,
                },
                _ => new JsonObject
                {
                    ["type"] = decoder,
                    ["replacement"] = "\u2581",
                    ["add_prefix_space"] = true,
                },
            },
            ["model"] = model,
        };

    private static JsonObject Sequence(string within, params JsonNode[] steps) =>
        new() { ["type"] = "Sequence", [within] = new JsonArray(steps) };

    private static JsonObject Template(string[] before, string[] behind, params (string Text, int Id)[] special)
    {
        static JsonNode Part(string kind, string id) =>
            new JsonObject
            {
                [kind] = new JsonObject { ["id"] = id, ["type_id"] = 0 },
            };
        JsonArray Around(params string[] texts) =>
            [
                .. texts.SelectMany(text =>
                    (JsonNode[])
                        [
                            .. before.Select(token => Part("SpecialToken", token)),
                            Part("Sequence", text),
                            .. behind.Select(token => Part("SpecialToken", token)),
                        ]
                ),
            ];
        return new JsonObject
        {
            ["type"] = "TemplateProcessing",
            ["single"] = Around("A"),
            ["pair"] = Around("A", "B"),
            ["special_tokens"] = new JsonObject(
                special.Select(token =>
                    KeyValuePair.Create(
                        token.Text,
                        (JsonNode?)
                            new JsonObject
                            {
                                ["id"] = token.Text,
                                ["ids"] = new JsonArray(token.Id),
                                ["tokens"] = new JsonArray(token.Text),
                            }
                    )
                )
            ),
        };
    }

    private static JsonObject BytePairs(Dictionary<string, int> ids, IEnumerable<string> merges) =>
        new()
        {
            ["type"] = "BPE",
            ["dropout"] = null,
            ["unk_token"] = null,
            ["continuing_subword_prefix"] = "",
            ["end_of_word_suffix"] = "",
            ["fuse_unk"] = false,
            ["vocab"] = Object(ids),
            ["merges"] = new JsonArray([.. merges.Select(merge => (JsonNode)merge)]),
        };

    private static JsonObject Object(Dictionary<string, int> ids) =>
        new(ids.OrderBy(token => token.Value).Select(token => KeyValuePair.Create(token.Key, (JsonNode?)token.Value)));

    private static Dictionary<string, int> Vocabulary(string folder) =>
        JsonSerializer.Deserialize<Dictionary<string, int>>(File.ReadAllBytes(Path.Combine(folder, "vocab.json")))!;

    private static IEnumerable<string> Merges(string folder) =>
        File.ReadLines(Path.Combine(folder, "merges.txt"))
            .Where(line => line.Length > 0 && !line.StartsWith("#version", StringComparison.Ordinal));

    /// <summary>The fields of a protobuf message that have a length or four bytes.</summary>
    private static IEnumerable<(int Field, byte[] Content)> Messages(byte[] message)
    {
        for (var at = 0; at < message.Length;)
        {
            var (tag, start) = (Varint(), 0);
            switch (tag & 7)
            {
                case 2:
                    var length = Varint();
                    (start, at) = (at, at + length);
                    yield return (tag >> 3, message[start..at]);
                    break;
                case 5:
                    (start, at) = (at, at + 4);
                    yield return (tag >> 3, message[start..at]);
                    break;
                default:
                    Varint();
                    break;
            }
            int Varint()
            {
                var (value, shift) = (0L, 0);
                for (; message[at] >= 0x80; shift += 7)
                    value |= (message[at++] & 0x7fL) << shift;
                return (int)(value | ((long)message[at++] << shift));
            }
        }
    }
}
