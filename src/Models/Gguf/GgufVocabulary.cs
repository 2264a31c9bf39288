using DfPO.Models.Tokenizers;

namespace DfPO.Models.Gguf;

/// <summary>The tokenizer in a GGUF file's metadata.</summary>
internal static class GgufVocabulary
{
    /// <summary>Key of the chat template.</summary>
    public const string TemplateKey = "tokenizer.chat_template";

    private const string Prefix = "tokenizer.ggml.";
    private const int Normal = 1,
        Unknown = 2,
        Control = 3,
        UserDefined = 4,
        Unused = 5,
        Byte = 6;

    // Fields that are read below, that name tokens of tasks which are not done here, or that only concern other kinds of models.
    private static readonly string[] s_known =
    [
        "model",
        "pre",
        "tokens",
        "token_type",
        "scores",
        "merges",
        "add_bos_token",
        "add_eos_token",
        "add_space_prefix",
        "bos_token_id",
        "eos_token_id",
        "eot_token_id",
        "eom_token_id",
        "unknown_token_id",
        "padding_token_id",
        "seperator_token_id",
        "separator_token_id",
        "cls_token_id",
        "mask_token_id",
        "fim_pre_token_id",
        "fim_suf_token_id",
        "fim_mid_token_id",
        "fim_pad_token_id",
        "fim_rep_token_id",
        "fim_sep_token_id",
        "prefix_token_id",
        "suffix_token_id",
        "middle_token_id",
        "token_type_count",
        "remove_extra_whitespaces",
        "precompiled_charsmap",
        "add_sep_token",
    ];

    /// <summary>Special tokens by their roles.</summary>
    public static IEnumerable<(string Role, int Id)> Roles(GgufMetadata metadata)
    {
        foreach (
            var (role, key) in new[]
            {
                ("bos_token", "bos"),
                ("eos_token", "eos"),
                ("unk_token", "unknown"),
                ("pad_token", "padding"),
                ("cls_token", "cls"),
                ("mask_token", "mask"),
            }
        )
            if (metadata.Integer($"{Prefix}{key}_token_id") is { } id and >= 0 and < int.MaxValue)
                yield return (role, (int)id);
    }

    /// <summary>Reads the vocabulary.</summary>
    /// <exception cref="DfpoException"><c>gguf/field</c>, or <c>tokenizer/unsupported</c> for a kind that is not read.</exception>
    public static TokenizerVocabulary Read(GgufFile file)
    {
        var metadata = file.Metadata;
        foreach (var key in metadata.Keys.Where(key => key.StartsWith(Prefix, StringComparison.Ordinal)))
            if (!s_known.Contains(key[Prefix.Length..]))
                throw new DfpoException(
                    "tokenizer/unsupported",
                    $"'{file.Path}': metadata field '{key}' is not known here. Take the checkpoint's own folder with its tokenizer.json."
                );
        var tokens = metadata.Texts(Prefix + "tokens") ?? throw metadata.Wrong(Prefix + "tokens", "there");
        var types = metadata.Integers(Prefix + "token_type") ?? [.. Enumerable.Repeat((long)Normal, tokens.Length)];
        if (types.Length != tokens.Length || types.Any(type => type is < Normal or > Byte))
            throw metadata.Wrong(Prefix + "token_type", "a list of types 1 to 6, one a token");
        foreach (var (role, id) in Roles(metadata))
            if (id >= tokens.Length)
                throw metadata.Wrong($"{Prefix} {role}", $"less than {tokens.Length}");
        var kind = metadata.Text(Prefix + "model") ?? throw metadata.Wrong(Prefix + "model", "there");
        return kind switch
        {
            "gpt2" => ByteLevel(file, tokens, types),
            "llama" => SentencePiece(file, tokens, types),
            _ => throw new DfpoException(
                "tokenizer/unsupported",
                $"'{file.Path}': metadata field '{Prefix}model' is '{kind}': 'gpt2' and 'llama' are read. Take the checkpoint's own folder with its tokenizer.json."
            ),
        };
    }

    private static TokenizerVocabulary ByteLevel(GgufFile file, string[] tokens, long[] types)
    {
        var metadata = file.Metadata;
        var merges = metadata.Texts(Prefix + "merges") ?? throw metadata.Wrong(Prefix + "merges", "there");
        var split = metadata.Text(Prefix + "pre")
            ?? throw metadata.Wrong(Prefix + "pre", $"there, to say how texts are cut: {string.Join(", ", ByteLevelSplits.Names)}");
        if (!ByteLevelSplits.Names.Contains(split))
            throw new DfpoException(
                "tokenizer/unsupported",
                $"'{file.Path}': metadata field '{Prefix}pre' is '{split}', a way of cutting texts that is not known here: known are {string.Join(", ", ByteLevelSplits.Names)}. Take the checkpoint's own folder with its tokenizer.json."
            );
        return Common(file, tokens, types) with
        {
            Kind = VocabularyKind.ByteLevelBpe,
            Merges =
            [
                .. merges.Select(merge =>
                    merge.IndexOf(' ', 1) is var cut && cut > 0
                        ? (merge[..cut], merge[(cut + 1)..])
                        : throw metadata.Wrong(Prefix + "merges", "a list of pairs with a blank between")
                ),
            ],
            Split = split,
            // llama.cpp puts the beginning in front where the file says so, and where Llama 3 does it anyway.
            Before = Ends(metadata, "add_bos_token", "bos_token_id", split is "llama-bpe" or "llama3"),
        };
    }

    private static TokenizerVocabulary SentencePiece(GgufFile file, string[] tokens, long[] types)
    {
        var metadata = file.Metadata;
        var scores = metadata.Numbers(Prefix + "scores");
        if (scores is null || scores.Length != tokens.Length || !scores.All(double.IsFinite))
            throw metadata.Wrong(Prefix + "scores", "a list of numbers, one a token");
        return Common(file, tokens, types) with
        {
            Kind = VocabularyKind.SentencePieceBpe,
            Scores = scores,
            // Its blank stands in front of the text and after every special token, as in Llama's first tokenizer.
            Legacy = true,
            Before = Ends(metadata, "add_bos_token", "bos_token_id", true),
        };
    }

    private static TokenizerVocabulary Common(GgufFile file, string[] tokens, long[] types)
    {
        var metadata = file.Metadata;
        var roles = Roles(metadata).ToDictionary(role => role.Role, role => role.Id);
        return new TokenizerVocabulary
        {
            Kind = VocabularyKind.ByteLevelBpe,
            Tokens = tokens,
            Added =
            [
                .. types
                    .Index()
                    .Where(item => item.Item is Control or UserDefined or Unknown)
                    .Select(item => new AddedToken(item.Index, tokens[item.Index]) { Special = item.Item != UserDefined }),
            ],
            AddPrefixSpace = metadata.Flag(Prefix + "add_space_prefix"),
            UnknownId = roles.TryGetValue("unk_token", out var unknown) ? unknown : null,
            Behind = Ends(metadata, "add_eos_token", "eos_token_id", false),
            Roles = roles,
        };
    }

    private static int[] Ends(GgufMetadata metadata, string flag, string token, bool fallback)
    {
        if (!(metadata.Flag(Prefix + flag) ?? fallback))
            return [];
        return metadata.Integer(Prefix + token) is { } id and >= 0 and < int.MaxValue
            ? [(int)id]
            : throw metadata.Wrong(Prefix + token, $"there, since {flag} is true");
    }
}
