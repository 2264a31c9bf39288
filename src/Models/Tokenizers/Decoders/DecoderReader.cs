using DfPO.Models.Tokenizers.PreTokenizers;

namespace DfPO.Models.Tokenizers.Decoders;

/// <summary>Reads <c>decoder</c> of <c>tokenizer.json</c>.</summary>
internal static class DecoderReader
{
    /// <returns>The decoder; null where there is none and tokens are joined by spaces.</returns>
    /// <exception cref="DfpoException"><c>tokenizer/unsupported</c>, with the field.</exception>
    public static IDecoder? Read(JsonField field) => field.IsAbsent ? null : Step(field);

    private static IDecoder Step(JsonField field)
    {
        switch (field.Kind)
        {
            case "Sequence":
                field.Only("type", "decoders");
                return new DecoderSequence([.. field["decoders"].Items().Select(Step)]);
            case "ByteLevel":
                field.Only("type", "add_prefix_space", "trim_offsets", "use_regex");
                return new ByteLevelDecoder();
            case "ByteFallback":
                field.Only("type");
                return new ByteFallbackDecoder();
            case "Fuse":
                field.Only("type");
                return new FuseDecoder();
            case "Replace":
                field.Only("type", "pattern", "content");
                return new ReplaceDecoder(PatternReader.Read(field["pattern"]), field["content"].Text());
            case "Strip":
                field.Only("type", "content", "start", "stop");
                field["content"].Require(field["content"].Text().Length == 1, "one character of 16 bits");
                return new StripDecoder(field["content"].Text()[0], field["start"].Integer(), field["stop"].Integer());
            case "Metaspace":
                field.Only("type", "replacement", "str_rep", "add_prefix_space", "prepend_scheme", "split");
                return new MetaspaceDecoder(
                    field["replacement"].Character().ToString(),
                    PreTokenizerReader.Scheme(field) != PrependScheme.Never
                );
            case "WordPiece":
                field.Only("type", "prefix", "cleanup");
                return new WordPieceDecoder(field["prefix"].IsAbsent ? "##" : field["prefix"].Text(), field["cleanup"].Flag(true));
            case "BPEDecoder":
                field.Only("type", "suffix");
                var suffix = field["suffix"].IsAbsent ? "</w>" : field["suffix"].Text();
                field["suffix"].Require(suffix.Length > 0, "a text that is not empty");
                return new BpeDecoder(suffix);
            default:
                throw field["type"].Refused("Sequence, ByteLevel, ByteFallback, Fuse, Replace, Strip, Metaspace, WordPiece or BPEDecoder");
        }
    }
}
