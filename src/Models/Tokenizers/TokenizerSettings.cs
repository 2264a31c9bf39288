using System.Globalization;
using System.Text.Json;
using DfPO.Models.Tokenizers.AddedTokens;

namespace DfPO.Models.Tokenizers;

/// <summary>
/// What the files beside <c>tokenizer.json</c> say: <c>tokenizer_config.json</c>, <c>special_tokens_map.json</c> and the model's type in
/// <c>config.json</c>.
/// </summary>
internal sealed record TokenizerSettings
{
    public const string FileName = "tokenizer_config.json";
    public const string MapName = "special_tokens_map.json";

    /// <summary>In transformers' order, which is that of their ids where they are new.</summary>
    public static readonly string[] Names = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

    // Classes that AutoTokenizer takes where tokenizer_config.json names none.
    private static readonly Dictionary<string, string> s_classes = new()
    {
        ["gpt2"] = "GPT2Tokenizer",
        ["gptj"] = "GPT2Tokenizer",
        ["gpt_neo"] = "GPT2Tokenizer",
        ["opt"] = "GPT2Tokenizer",
        ["roberta"] = "RobertaTokenizer",
        ["bert"] = "BertTokenizer",
        ["distilbert"] = "DistilBertTokenizer",
        ["t5"] = "T5Tokenizer",
        ["llama"] = "LlamaTokenizer",
        ["gemma"] = "GemmaTokenizer",
        ["gemma2"] = "GemmaTokenizer",
        ["gemma3_text"] = "GemmaTokenizer",
        ["qwen2"] = "Qwen2Tokenizer",
        ["qwen3"] = "Qwen2Tokenizer",
        ["gpt_neox"] = "GPTNeoXTokenizer",
    };

    // Special tokens of a class whose configuration names none.
    private static readonly Dictionary<string, (string Name, string Text)[]> s_defaults = new()
    {
        ["GPT2Tokenizer"] = [("bos_token", "<|endoftext|>"), ("eos_token", "<|endoftext|>"), ("unk_token", "<|endoftext|>")],
        ["GPTNeoXTokenizer"] = [("bos_token", "<|endoftext|>"), ("eos_token", "<|endoftext|>"), ("unk_token", "<|endoftext|>")],
        ["Qwen2Tokenizer"] = [("eos_token", "<|endoftext|>"), ("pad_token", "<|endoftext|>")],
        ["LlamaTokenizer"] = [("bos_token", "<s>"), ("eos_token", "</s>"), ("unk_token", "<unk>")],
        ["GemmaTokenizer"] = [("bos_token", "<bos>"), ("eos_token", "<eos>"), ("unk_token", "<unk>"), ("pad_token", "<pad>")],
        ["T5Tokenizer"] = [("eos_token", "</s>"), ("unk_token", "<unk>"), ("pad_token", "<pad>")],
        ["RobertaTokenizer"] =
        [
            ("bos_token", "<s>"),
            ("eos_token", "</s>"),
            ("unk_token", "<unk>"),
            ("sep_token", "</s>"),
            ("pad_token", "<pad>"),
            ("cls_token", "<s>"),
            ("mask_token", "<mask>"),
        ],
        ["BertTokenizer"] =
        [
            ("unk_token", "[UNK]"),
            ("sep_token", "[SEP]"),
            ("pad_token", "[PAD]"),
            ("cls_token", "[CLS]"),
            ("mask_token", "[MASK]"),
        ],
        ["DistilBertTokenizer"] =
        [
            ("unk_token", "[UNK]"),
            ("sep_token", "[SEP]"),
            ("pad_token", "[PAD]"),
            ("cls_token", "[CLS]"),
            ("mask_token", "[MASK]"),
        ],
    };

    private Dictionary<string, string> _named = [];

    /// <summary>The folder.</summary>
    public string Folder { get; private init; } = "";

    /// <summary>Python class without <c>Fast</c>; empty when nothing says.</summary>
    public string Class { get; private init; } = "";

    /// <summary>Whether the class follows from the model's type alone.</summary>
    public bool IsClassImplied { get; private init; }

    public bool? AddPrefixSpace { get; private init; }
    public bool? AddBos { get; private init; }
    public bool? AddEos { get; private init; }
    public bool? Lowercase { get; private init; }
    public bool? StripAccents { get; private init; }
    public bool? IsolateChinese { get; private init; }
    public bool? Legacy { get; private init; }
    public int? ExtraIds { get; private init; }
    public bool SplitSpecialTokens { get; init; }
    public bool CleanUpText { get; init; }

    /// <summary><c>added_tokens_decoder</c>.</summary>
    public IReadOnlyList<AddedToken> AddedTokens { get; private init; } = [];

    /// <summary>The tokens that the files name by a role, and the additional ones; their ids are not known here.</summary>
    public IReadOnlyList<AddedToken> SpecialTokens { get; init; } = [];

    /// <summary>Text of a role such as <c>eos_token</c>; null when neither the files nor the class name one.</summary>
    public string? Named(string role) => _named.GetValueOrDefault(role) ?? Default(role);

    /// <summary>These settings for a class, where nothing says which.</summary>
    public TokenizerSettings As(string name) => this with { Class = name };

    /// <exception cref="DfpoException"><c>config/corrupt</c>, <c>config/field</c> or <c>tokenizer/unsupported</c>.</exception>
    public static TokenizerSettings Read(string folder)
    {
        var path = Path.Combine(folder, FileName);
        var config = Open(path);
        // transformers reads the map only where the newer layout, which has all tokens in the configuration, is not used.
        var map = config["added_tokens_decoder"].IsAbsent ? Open(Path.Combine(folder, MapName)) : new JsonField(path, "", default);
        var named = new Dictionary<string, string>();
        var special = new List<AddedToken>();
        foreach (var role in Names)
        {
            var field = map[role].IsAbsent ? config[role] : map[role];
            if (field.IsAbsent)
                continue;
            var token = Special(field);
            if (token.Content.Length == 0)
                continue;
            named.Add(role, token.Content);
            special.Add(token);
        }
        foreach (
            var list in new[] { config["additional_special_tokens"], config["extra_special_tokens"], map["additional_special_tokens"] }
        )
            if (!list.IsAbsent)
                special.AddRange(
                    list.Value.ValueKind == JsonValueKind.Object
                        ? list.Fields().Select(token => Special(token.Field))
                        : list.Items().Select(Special)
                );
        var type = Open(Path.Combine(folder, "config.json"))["model_type"].Text();
        var name = config["tokenizer_class"].Text();
        return new TokenizerSettings
        {
            Folder = folder,
            Class =
                name.Length > 0
                    ? name.EndsWith("Fast", StringComparison.Ordinal) && name != "PreTrainedTokenizerFast"
                        ? name[..^4]
                        : name
                    : s_classes.GetValueOrDefault(type, ""),
            IsClassImplied = name.Length == 0,
            AddPrefixSpace = Flag(config["add_prefix_space"]),
            AddBos = Flag(config["add_bos_token"]),
            AddEos = Flag(config["add_eos_token"]),
            Lowercase = Flag(config["do_lower_case"]),
            StripAccents = Flag(config["strip_accents"]),
            IsolateChinese = Flag(config["tokenize_chinese_chars"]),
            Legacy = Flag(config["legacy"]),
            ExtraIds = config["extra_ids"].IsAbsent ? null : config["extra_ids"].Integer(),
            SplitSpecialTokens = config["split_special_tokens"].Flag(false),
            CleanUpText = config["clean_up_tokenization_spaces"].Flag(false),
            AddedTokens = config["added_tokens_decoder"].IsAbsent
                ? []
                :
                [
                    .. config["added_tokens_decoder"]
                        .Fields()
                        .Select(token => AddedTokenReader.Token(token.Field, Id(token.Name, token.Field)))
                        .OrderBy(token => token.Id),
                ],
            SpecialTokens = special,
            _named = named,
        };
    }

    public DfpoException Refused(string field, string why) =>
        new("tokenizer/unsupported", $"'{Path.Combine(Folder, FileName)}': field '{field}' {why}.");

    private string? Default(string role) => s_defaults.GetValueOrDefault(Class)?.FirstOrDefault(token => token.Name == role).Text;

    private static AddedToken Special(JsonField field) =>
        (field.Value.ValueKind == JsonValueKind.Object ? AddedTokenReader.Token(field, -1) : new AddedToken(-1, field.Text())) with
        {
            Special = true,
        };

    private static int Id(string name, JsonField field) =>
        int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? id : throw field.Refused("named by its id");

    private static bool? Flag(JsonField field) => field.IsAbsent ? null : field.Flag(false);

    private static JsonField Open(string path) =>
        File.Exists(path)
            ? new JsonField(path, "", JsonSerializer.SerializeToElement(HfConfigReader.ReadFile(path)))
            : new JsonField(path, "", default);
}
