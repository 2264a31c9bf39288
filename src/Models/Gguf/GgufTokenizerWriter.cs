using System.Text.Json.Nodes;
using DfPO.Models.Tokenizers;

namespace DfPO.Models.Gguf;

/// <summary>A tokenizer as a GGUF file's metadata.</summary>
internal static class GgufTokenizerWriter
{
    private const string Prefix = "tokenizer.ggml.";
    private const int Normal = 1,
        Unknown = 2,
        Control = 3,
        UserDefined = 4,
        Unused = 5,
        Byte = 6;

    /// <summary>Adds the metadata.</summary>
    /// <exception cref="DfpoException"><c>gguf/unsupported</c>: llama.cpp has no tokenizer of this kind.</exception>
    public static void Write(Dictionary<string, object> metadata, TextTokenizer tokenizer, ModelConfig model, JsonObject config)
    {
        var document = (JsonObject)JsonNode.Parse(tokenizer.Document().Span)!;
        var bpe = (JsonObject)document["model"]!;
        if ((string?)bpe["type"] != "BPE")
            throw Unsupported(tokenizer, $"its model is of the type '{bpe["type"]}'");
        var tokens = new string[model.VocabSize];
        var types = new int[model.VocabSize];
        for (var id = 0; id < tokens.Length; id++)
            (tokens[id], types[id]) = tokenizer.TokenOf(id) is { } token ? (token, Normal) : ($"[PAD{id}]", Unused);
        foreach (var added in tokenizer.AddedTokens.Values.Where(added => added.Id < tokens.Length))
            types[added.Id] =
                added.LeftStrip || added.RightStrip || added.SingleWord
                    ? throw Unsupported(tokenizer, $"its token '{added.Content}' takes white space along")
                : added.Special ? Control
                : UserDefined;
        var merges = Merges(bpe, tokenizer);
        if ((bool?)bpe["byte_fallback"] == true)
            WritePieces(metadata, tokenizer, tokens, types, merges, document);
        else
        {
            metadata[Prefix + "model"] = "gpt2";
            metadata[Prefix + "pre"] = Split(document, bpe, tokenizer);
            metadata[Prefix + "merges"] = merges.Select(merge => $"{merge.Left} {merge.Right}").ToArray();
        }
        metadata[Prefix + "tokens"] = tokens;
        metadata[Prefix + "token_type"] = types;
        WriteSpecial(metadata, tokenizer, config);
    }

    /// <summary>SentencePiece's BPE: a token's score says when it is merged.</summary>
    private static void WritePieces(
        Dictionary<string, object> metadata,
        TextTokenizer tokenizer,
        string[] tokens,
        int[] types,
        List<(string Left, string Right)> merges,
        JsonObject document
    )
    {
        var ranks = new Dictionary<string, int>();
        foreach (var (rank, merge) in merges.Index())
            ranks.TryAdd(merge.Left + merge.Right, rank);
        metadata[Prefix + "model"] = "llama";
        metadata[Prefix + "pre"] = "default";
        metadata[Prefix + "scores"] = tokens.Select(token => ranks.TryGetValue(token, out var rank) ? -(float)rank : -1e6f).ToArray();
        var normalizer = document["normalizer"]?.ToJsonString() ?? "";
        var scheme = (string?)document["pre_tokenizer"]?["prepend_scheme"];
        metadata[Prefix + "add_space_prefix"] =
            normalizer.Contains("\"Prepend\"", StringComparison.Ordinal) || scheme is "first" or "always";
        for (var id = 0; id < tokens.Length; id++)
            if (tokens[id].Length == 6 && tokens[id].StartsWith("<0x", StringComparison.Ordinal))
                types[id] = Byte;
        if (tokenizer.UnkTokenId is { } unknown)
            types[unknown] = Unknown;
    }

    private static void WriteSpecial(Dictionary<string, object> metadata, TextTokenizer tokenizer, JsonObject config)
    {
        foreach (
            var (key, id) in new[]
            {
                ("bos", tokenizer.BosTokenId),
                ("unknown", tokenizer.UnkTokenId),
                ("padding", tokenizer.Role("pad_token")),
            }
        )
            if (id is not null)
                metadata[$"{Prefix}{key}_token_id"] = (uint)id.Value;
        var ends = tokenizer
            .EosTokenIds.Concat(
                config["eos_token_id"] switch
                {
                    JsonArray all => all.Select(id => (int)id!),
                    JsonValue one => [(int)one],
                    _ => [],
                }
            )
            .Distinct()
            .ToArray();
        string[] names = ["eos", "eot", "eom"];
        if (ends.Length > names.Length)
            throw Unsupported(tokenizer, $"{ends.Length} tokens end its texts, and GGUF has names for {names.Length}");
        foreach (var (index, id) in ends.Index())
            metadata[$"{Prefix}{names[index]}_token_id"] = (uint)id;
        int[] around = tokenizer.EncodeInput("");
        var isBegun = around.Length > 0 && around[0] == tokenizer.BosTokenId;
        var isEnded = around.Length > (isBegun ? 1 : 0) && ends.Length > 0 && around[^1] == ends[0];
        if (around.Length != (isBegun ? 1 : 0) + (isEnded ? 1 : 0))
            throw Unsupported(tokenizer, "it puts other tokens around a text than its beginning and end");
        metadata[Prefix + "add_bos_token"] = isBegun;
        metadata[Prefix + "add_eos_token"] = isEnded;
    }

    private static List<(string Left, string Right)> Merges(JsonObject bpe, TextTokenizer tokenizer) =>
        [
            .. (bpe["merges"] as JsonArray ?? throw Unsupported(tokenizer, "it has no merges")).Select(merge =>
                merge is JsonArray pair ? ((string)pair[0]!, (string)pair[1]!)
                : (string)merge! is var text && text.IndexOf(' ', 1) is var cut ? (text[..cut], text[(cut + 1)..])
                : default
            ),
        ];

    /// <summary>The name of the way in which texts are cut.</summary>
    private static string Split(JsonObject document, JsonObject bpe, TextTokenizer tokenizer)
    {
        var steps = Plain(document["pre_tokenizer"]);
        foreach (var name in ByteLevelSplits.Names)
        {
            var (normalizer, preTokenizer, wholePieces) = ByteLevelSplits.Of(name, addPrefixSpace: false);
            if (
                steps == Plain(preTokenizer)
                && Plain(document["normalizer"]) == Plain(normalizer)
                && ((bool?)bpe["ignore_merges"] ?? false) == wholePieces
            )
                return name;
        }
        throw Unsupported(
            tokenizer,
            $"it cuts texts in a way that llama.cpp has no name for here ({string.Join(", ", ByteLevelSplits.Names)} have)"
        );
    }

    /// <summary>Steps without what has no effect on ids.</summary>
    private static string Plain(JsonNode? steps)
    {
        if (steps is null)
            return "";
        var copy = (JsonObject)steps.DeepClone();
        foreach (
            var step in (copy["pretokenizers"] ?? copy["normalizers"]) is JsonArray several
                ? several.OfType<JsonObject>().ToArray()
                : [copy]
        )
            step.Remove("trim_offsets");
        return copy.ToJsonString();
    }

    private static DfpoException Unsupported(TextTokenizer tokenizer, string why) =>
        new("gguf/unsupported", $"The tokenizer in '{tokenizer.Folder}' cannot be written as GGUF: {why}. Export in the default format.");
}
