using DfPO.Models.Tokenizers.Text;

namespace DfPO.Models.Tokenizers.PreTokenizers;

/// <summary>Reads <c>pre_tokenizer</c> of <c>tokenizer.json</c>.</summary>
internal static class PreTokenizerReader
{
    private static readonly CharacterPattern s_blank = new(Characters.IsWhiteSpace),
        s_mark = new(Characters.IsPunctuation),
        s_digit = new(Characters.IsNumeric);
    private static readonly SplitPreTokenizer s_words = new(s_blank, SplitBehavior.Removed);

    /// <exception cref="DfpoException"><c>tokenizer/unsupported</c>, with the field.</exception>
    public static IPreTokenizer Read(JsonField field) => field.IsAbsent ? new PreTokenizerSequence([]) : Step(field);

    /// <summary>The scheme of a <c>Metaspace</c> step, which files of before 2024 write as <c>add_prefix_space</c>.</summary>
    public static PrependScheme Scheme(JsonField field)
    {
        var (name, prefix) = (field["prepend_scheme"], field["add_prefix_space"]);
        var scheme = name.Text() switch
        {
            "" => prefix.Flag(true) ? PrependScheme.Always : PrependScheme.Never,
            "always" => PrependScheme.Always,
            "first" => PrependScheme.First,
            "never" => PrependScheme.Never,
            _ => throw name.Refused("always, first or never"),
        };
        prefix.Require(
            prefix.Flag(scheme != PrependScheme.Never) == (scheme != PrependScheme.Never),
            $"what prepend_scheme '{name.Text()}' says"
        );
        return scheme;
    }

    private static IPreTokenizer Step(JsonField field)
    {
        switch (field.Kind)
        {
            case "Sequence":
                field.Only("type", "pretokenizers");
                return new PreTokenizerSequence([.. field["pretokenizers"].Items().Select(Step)]);
            case "ByteLevel":
                field.Only("type", "add_prefix_space", "trim_offsets", "use_regex");
                return new ByteLevelPreTokenizer(field["add_prefix_space"].Flag(true), field["use_regex"].Flag(true));
            case "Metaspace":
                field.Only("type", "replacement", "str_rep", "add_prefix_space", "prepend_scheme", "split");
                return new MetaspacePreTokenizer(field["replacement"].Character().ToString(), Scheme(field), field["split"].Flag(true));
            case "Split":
                field.Only("type", "pattern", "behavior", "invert");
                return new SplitPreTokenizer(
                    PatternReader.Read(field["pattern"]),
                    Behavior(field["behavior"], null),
                    field["invert"].Flag(false)
                );
            case "Digits":
                field.Only("type", "individual_digits");
                return new SplitPreTokenizer(
                    s_digit,
                    field["individual_digits"].Flag(false) ? SplitBehavior.Isolated : SplitBehavior.Contiguous
                );
            case "Punctuation":
                field.Only("type", "behavior");
                return new SplitPreTokenizer(s_mark, Behavior(field["behavior"], SplitBehavior.Isolated));
            case "Whitespace":
                field.Only("type");
                return new SplitPreTokenizer(new WordPattern(), SplitBehavior.Removed, invert: true);
            case "WhitespaceSplit":
                field.Only("type");
                return s_words;
            case "CharDelimiterSplit":
                field.Only("type", "delimiter");
                return new SplitPreTokenizer(new LiteralPattern(field["delimiter"].Character().ToString()), SplitBehavior.Removed);
            case "BertPreTokenizer":
                field.Only("type");
                return new PreTokenizerSequence([s_words, new SplitPreTokenizer(s_mark, SplitBehavior.Isolated)]);
            default:
                throw field["type"]
                    .Refused(
                        "Sequence, ByteLevel, Metaspace, Split, Digits, Punctuation, Whitespace, WhitespaceSplit, CharDelimiterSplit or BertPreTokenizer"
                    );
        }
    }

    private static SplitBehavior Behavior(JsonField field, SplitBehavior? fallback) =>
        field.IsAbsent && fallback is { } given ? given
        : field.Text() is { } name && Enum.GetNames<SplitBehavior>().Contains(name) ? Enum.Parse<SplitBehavior>(name)
        : throw field.Refused(string.Join(", ", Enum.GetNames<SplitBehavior>()));
}
