using System.Text.Json.Nodes;

namespace DfPO.Models.Tokenizers;

/// <summary>The ways in which byte-level BPE cuts a text, by the names of <c>tokenizer.ggml.pre</c> in GGUF files.</summary>
public static class ByteLevelSplits
{
    private const string Llama3 =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    private const string Qwen2 =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    private const string O200k =
        @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    /// <summary>The names that are known.</summary>
    public static IReadOnlyList<string> Names { get; } = ["gpt-2", "llama-bpe", "llama3", "qwen2", "smollm", "gpt-4o"];

    /// <summary>Normaliser, pre-tokeniser and whether whole pieces are taken before merges.</summary>
    internal static (JsonNode? Normalizer, JsonNode PreTokenizer, bool WholePieces) Of(string name, bool addPrefixSpace) =>
        name switch
        {
            "gpt-2" => (null, Bytes(addPrefixSpace, cut: true), false),
            "llama-bpe" or "llama3" => (null, Sequence(Split(Llama3), Bytes(addPrefixSpace, cut: false)), true),
            "qwen2" => (new JsonObject { ["type"] = "NFC" }, Sequence(Split(Qwen2), Bytes(addPrefixSpace, cut: false)), false),
            "gpt-4o" => (null, Sequence(Split(O200k), Bytes(addPrefixSpace, cut: false)), false),
            "smollm" => (
                null,
                Sequence(new JsonObject { ["type"] = "Digits", ["individual_digits"] = true }, Bytes(addPrefixSpace, cut: true)),
                false
            ),
            _ => throw new DfpoException(
                "tokenizer/unsupported",
                $"A byte-level BPE that cuts texts the way '{name}' is not known: known are {string.Join(", ", Names)}. Take the checkpoint's own folder with its {TokenizerJson.FileName}."
            ),
        };

    internal static JsonObject Bytes(bool addPrefixSpace, bool cut) =>
        new()
        {
            ["type"] = "ByteLevel",
            ["add_prefix_space"] = addPrefixSpace,
            ["trim_offsets"] = true,
            ["use_regex"] = cut,
        };

    private static JsonObject Split(string pattern) =>
        new()
        {
            ["type"] = "Split",
            ["pattern"] = new JsonObject { ["Regex"] = pattern },
            ["behavior"] = "Isolated",
            ["invert"] = false,
        };

    private static JsonObject Sequence(params JsonNode[] steps) =>
        new() { ["type"] = "Sequence", ["pretokenizers"] = new JsonArray(steps) };
}
