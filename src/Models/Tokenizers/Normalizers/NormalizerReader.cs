namespace DfPO.Models.Tokenizers.Normalizers;

/// <summary>Reads <c>normalizer</c> of <c>tokenizer.json</c>.</summary>
internal static class NormalizerReader
{
    /// <exception cref="DfpoException"><c>tokenizer/unsupported</c>, with the field.</exception>
    public static INormalizer Read(JsonField field) => field.IsAbsent ? new NormalizerSequence([]) : Step(field);

    private static INormalizer Step(JsonField field)
    {
        switch (field.Kind)
        {
            case "Sequence":
                field.Only("type", "normalizers");
                return new NormalizerSequence([.. field["normalizers"].Items().Select(Step)]);
            case "NFC" or "NFD" or "NFKC" or "NFKD":
                field.Only("type");
                return new UnicodeNormalizer(compatible: field.Kind.Contains('K'), compose: field.Kind.EndsWith('C'));
            case "Lowercase":
                field.Only("type");
                return new LowercaseNormalizer();
            case "StripAccents":
                field.Only("type");
                return new StripAccentsNormalizer();
            case "Strip":
                field.Only("type", "strip_left", "strip_right");
                return new StripNormalizer(field["strip_left"].Flag(true), field["strip_right"].Flag(true));
            case "Prepend":
                field.Only("type", "prepend");
                return new PrependNormalizer(field["prepend"].Text());
            case "Replace":
                field.Only("type", "pattern", "content");
                return new ReplaceNormalizer(PatternReader.Read(field["pattern"]), field["content"].Text());
            case "ByteLevel":
                field.Only("type");
                return new ByteLevelNormalizer();
            case "Precompiled":
                field.Only("type", "precompiled_charsmap");
                return Precompiled(field["precompiled_charsmap"]);
            case "BertNormalizer":
                field.Only("type", "clean_text", "handle_chinese_chars", "strip_accents", "lowercase");
                var lower = field["lowercase"].Flag(true);
                return new BertNormalizer(
                    field["clean_text"].Flag(true),
                    field["handle_chinese_chars"].Flag(true),
                    field["strip_accents"].Flag(lower),
                    lower
                );
            default:
                throw field["type"]
                    .Refused(
                        "Sequence, NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Strip, Prepend, Replace, ByteLevel, Precompiled or BertNormalizer"
                    );
        }
    }

    private static INormalizer Precompiled(JsonField map)
    {
        // An absent map changes nothing.
        if (map.Text().Length == 0)
            return new NormalizerSequence([]);
        try
        {
            return new PrecompiledNormalizer(Convert.FromBase64String(map.Text()));
        }
        catch (FormatException e)
        {
            throw TokenizerFiles.Corrupt(map.File, $"field '{map.Name}' does not make a normaliser ({e.Message})", e);
        }
    }
}
