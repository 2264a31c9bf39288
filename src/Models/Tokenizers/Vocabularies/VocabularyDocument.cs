using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace DfPO.Models.Tokenizers;

/// <summary>Writes the <c>tokenizer.json</c> of a vocabulary, as transformers converts the same files.</summary>
internal static class VocabularyDocument
{
    private const string Mark = "\u2581";
    private static readonly JsonWriterOptions s_writing = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <exception cref="DfpoException"><c>tokenizer/unsupported</c>: <see cref="TokenizerVocabulary.Split"/> is not known.</exception>
    public static ReadOnlyMemory<byte> Write(TokenizerVocabulary vocabulary)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, s_writing))
        {
            json.WriteStartObject();
            json.WriteString("version", "1.0");
            json.WriteNull("truncation");
            json.WriteNull("padding");
            WriteAdded(json, vocabulary);
            var (normalizer, preTokenizer, decoder, wholePieces) = Steps(vocabulary);
            WriteNode(json, "normalizer", normalizer);
            WriteNode(json, "pre_tokenizer", preTokenizer);
            WriteNode(json, "post_processor", Template(vocabulary));
            WriteNode(json, "decoder", decoder);
            WriteModel(json, vocabulary, wholePieces);
            json.WriteEndObject();
        }
        return buffer.WrittenMemory;
    }

    private static (JsonNode? Normalizer, JsonNode? PreTokenizer, JsonNode? Decoder, bool WholePieces) Steps(TokenizerVocabulary vocabulary)
    {
        switch (vocabulary.Kind)
        {
            case VocabularyKind.ByteLevelBpe:
                var (normalizer, preTokenizer, wholePieces) = ByteLevelSplits.Of(vocabulary.Split, vocabulary.AddPrefixSpace ?? false);
                return (normalizer, preTokenizer, ByteLevelSplits.Bytes(addPrefixSpace: false, cut: true), wholePieces);
            case VocabularyKind.WordPiece:
                return (
                    new JsonObject
                    {
                        ["type"] = "BertNormalizer",
                        ["clean_text"] = true,
                        ["handle_chinese_chars"] = vocabulary.IsolateChinese,
                        ["strip_accents"] = vocabulary.StripAccents,
                        ["lowercase"] = vocabulary.Lowercase,
                    },
                    Step("BertPreTokenizer"),
                    new JsonObject
                    {
                        ["type"] = "WordPiece",
                        ["prefix"] = "##",
                        ["cleanup"] = true,
                    },
                    false
                );
            case VocabularyKind.Unigram:
                var map = vocabulary.CharacterMap.IsEmpty
                    ? null
                    : new JsonObject
                    {
                        ["type"] = "Precompiled",
                        ["precompiled_charsmap"] = Convert.ToBase64String(vocabulary.CharacterMap.Span),
                    };
                return (
                    map,
                    Sequence("pretokenizers", Step("WhitespaceSplit"), Metaspace("always", true)),
                    Metaspace("always", true),
                    false
                );
            default:
                var prefix = vocabulary.AddPrefixSpace ?? true;
                JsonNode[] strip = prefix
                    ?
                    [
                        new JsonObject
                        {
                            ["type"] = "Strip",
                            ["content"] = " ",
                            ["start"] = 1,
                            ["stop"] = 0,
                        },
                    ]
                    : [];
                JsonNode[] prepend = prefix ? [new JsonObject { ["type"] = "Prepend", ["prepend"] = Mark }] : [];
                return (
                    vocabulary.Legacy ? Sequence("normalizers", [.. prepend, Replace(" ", Mark)]) : null,
                    vocabulary.Legacy ? null : Metaspace(prefix ? "first" : "never", false),
                    Sequence("decoders", [Replace(Mark, " "), Step("ByteFallback"), Step("Fuse"), .. strip]),
                    false
                );
        }
    }

    private static JsonObject? Template(TokenizerVocabulary vocabulary)
    {
        if (vocabulary.Before.Count + vocabulary.Behind.Count == 0)
            return null;
        JsonObject Token(int id, int type) =>
            new()
            {
                ["SpecialToken"] = new JsonObject { ["id"] = vocabulary.Tokens[id], ["type_id"] = type },
            };
        IEnumerable<JsonNode> Around(string text, int type) =>
            [
                .. vocabulary.Before.Select(id => Token(id, type)),
                new JsonObject
                {
                    ["Sequence"] = new JsonObject { ["id"] = text, ["type_id"] = type },
                },
                .. vocabulary.Behind.Select(id => Token(id, type)),
            ];
        // As the classes of transformers that have these kinds put two texts together.
        IEnumerable<JsonNode> second = vocabulary.Kind switch
        {
            VocabularyKind.WordPiece => Around("B", 1).Skip(vocabulary.Before.Count),
            VocabularyKind.Unigram => Around("B", 0),
            VocabularyKind.ByteLevelBpe when vocabulary.Behind.Count > 0 =>
            [
                .. vocabulary.Behind.Select(id => Token(id, 0)),
                .. Around("B", 0).Skip(vocabulary.Before.Count),
            ],
            _ => Around("B", 1),
        };
        return new JsonObject
        {
            ["type"] = "TemplateProcessing",
            ["single"] = new JsonArray([.. Around("A", 0)]),
            ["pair"] = new JsonArray([.. Around("A", 0), .. second]),
            ["special_tokens"] = new JsonObject(
                vocabulary
                    .Before.Concat(vocabulary.Behind)
                    .Distinct()
                    .Select(id =>
                        KeyValuePair.Create(
                            vocabulary.Tokens[id],
                            (JsonNode?)
                                new JsonObject
                                {
                                    ["id"] = vocabulary.Tokens[id],
                                    ["ids"] = new JsonArray(id),
                                    ["tokens"] = new JsonArray(vocabulary.Tokens[id]),
                                }
                        )
                    )
            ),
        };
    }

    private static void WriteAdded(Utf8JsonWriter json, TokenizerVocabulary vocabulary)
    {
        json.WriteStartArray("added_tokens");
        foreach (var token in vocabulary.Added.OrderBy(token => token.Id))
        {
            json.WriteStartObject();
            json.WriteNumber("id", token.Id);
            json.WriteString("content", token.Content);
            json.WriteBoolean("single_word", token.SingleWord);
            json.WriteBoolean("lstrip", token.LeftStrip);
            json.WriteBoolean("rstrip", token.RightStrip);
            json.WriteBoolean("normalized", token.Normalized);
            json.WriteBoolean("special", token.Special);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static void WriteModel(Utf8JsonWriter json, TokenizerVocabulary vocabulary, bool wholePieces)
    {
        json.WriteStartObject("model");
        switch (vocabulary.Kind)
        {
            case VocabularyKind.WordPiece:
                json.WriteString("type", "WordPiece");
                json.WriteString("unk_token", Unknown(vocabulary));
                json.WriteString("continuing_subword_prefix", "##");
                json.WriteNumber("max_input_chars_per_word", 100);
                WriteWords(json, vocabulary.Tokens);
                break;
            case VocabularyKind.Unigram:
                json.WriteString("type", "Unigram");
                if (vocabulary.UnknownId is { } unknown)
                    json.WriteNumber("unk_id", unknown);
                json.WriteStartArray("vocab");
                for (var id = 0; id < vocabulary.Tokens.Count; id++)
                {
                    json.WriteStartArray();
                    json.WriteStringValue(vocabulary.Tokens[id]);
                    json.WriteNumberValue(vocabulary.Scores[id]);
                    json.WriteEndArray();
                }
                json.WriteEndArray();
                json.WriteBoolean("byte_fallback", false);
                break;
            default:
                var pieces = vocabulary.Kind == VocabularyKind.SentencePieceBpe;
                json.WriteString("type", "BPE");
                json.WriteNull("dropout");
                if (pieces)
                    json.WriteString("unk_token", Unknown(vocabulary));
                else
                    json.WriteNull("unk_token");
                json.WriteNull("continuing_subword_prefix");
                json.WriteNull("end_of_word_suffix");
                json.WriteBoolean("fuse_unk", pieces);
                json.WriteBoolean("byte_fallback", pieces);
                json.WriteBoolean("ignore_merges", wholePieces);
                // Tokens that follow the vocabulary are no pieces of text.
                var added = vocabulary.Added.Select(token => token.Id).ToHashSet();
                var end = vocabulary.Tokens.Count;
                while (wholePieces && end > 0 && added.Contains(end - 1))
                    end--;
                WriteWords(json, vocabulary.Tokens.Take(end));
                json.WriteStartArray("merges");
                foreach (var (left, right) in pieces ? ScoredMerges.Of(vocabulary.Tokens, vocabulary.Scores) : vocabulary.Merges)
                {
                    json.WriteStartArray();
                    json.WriteStringValue(left);
                    json.WriteStringValue(right);
                    json.WriteEndArray();
                }
                json.WriteEndArray();
                break;
        }
        json.WriteEndObject();
    }

    private static string? Unknown(TokenizerVocabulary vocabulary) => vocabulary.UnknownId is { } id ? vocabulary.Tokens[id] : null;

    private static void WriteWords(Utf8JsonWriter json, IEnumerable<string> tokens)
    {
        json.WriteStartObject("vocab");
        foreach (var (id, token) in tokens.Index())
            json.WriteNumber(token, id);
        json.WriteEndObject();
    }

    private static void WriteNode(Utf8JsonWriter json, string name, JsonNode? node)
    {
        json.WritePropertyName(name);
        if (node is null)
            json.WriteNullValue();
        else
            node.WriteTo(json);
    }

    private static JsonObject Step(string type) => new() { ["type"] = type };

    private static JsonObject Sequence(string within, params JsonNode[] steps) =>
        new() { ["type"] = "Sequence", [within] = new JsonArray(steps) };

    private static JsonObject Replace(string from, string to) =>
        new()
        {
            ["type"] = "Replace",
            ["pattern"] = new JsonObject { ["String"] = from },
            ["content"] = to,
        };

    private static JsonObject Metaspace(string scheme, bool split) =>
        new()
        {
            ["type"] = "Metaspace",
            ["replacement"] = Mark,
            ["prepend_scheme"] = scheme,
            ["split"] = split,
        };
}
