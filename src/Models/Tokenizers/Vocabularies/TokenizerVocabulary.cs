namespace DfPO.Models.Tokenizers;

/// <summary>How a vocabulary's tokens are made of a text.</summary>
public enum VocabularyKind
{
    /// <summary>Byte-level BPE with a list of merges, as GPT-2's.</summary>
    ByteLevelBpe,

    /// <summary>SentencePiece's BPE with scores and byte tokens, as Llama's.</summary>
    SentencePieceBpe,

    /// <summary>SentencePiece's unigrams with log-probabilities, as T5's.</summary>
    Unigram,

    /// <summary>WordPiece, as BERT's.</summary>
    WordPiece,
}

/// <summary>The parts of a tokenizer where no <c>tokenizer.json</c> is: vocabulary files, or the metadata of a GGUF file.</summary>
/// <remarks><see cref="TextTokenizer"/> makes a tokenizer of it, by way of the <c>tokenizer.json</c> that says the same.</remarks>
public sealed record TokenizerVocabulary
{
    /// <summary>How tokens are made.</summary>
    public required VocabularyKind Kind { get; init; }

    /// <summary>All tokens by id, each once. Byte tokens are called <c>&lt;0x00&gt;</c> to <c>&lt;0xFF&gt;</c>.</summary>
    public required IReadOnlyList<string> Tokens { get; init; }

    /// <summary>Scores by id (SentencePiece kinds); the highest is merged first, or is the likeliest.</summary>
    public IReadOnlyList<double> Scores { get; init; } = [];

    /// <summary>Pairs of tokens, the first to be merged first (<see cref="VocabularyKind.ByteLevelBpe"/>).</summary>
    public IReadOnlyList<(string Left, string Right)> Merges { get; init; } = [];

    /// <summary>Tokens that are found in a text as they are; each one's id is that of <see cref="Tokens"/>.</summary>
    public IReadOnlyList<AddedToken> Added { get; init; } = [];

    /// <summary>
    /// How byte-level BPE cuts a text: a name of <see cref="ByteLevelSplits.Names"/>, which are those of <c>tokenizer.ggml.pre</c>.
    /// </summary>
    public string Split { get; init; } = "gpt-2";

    /// <summary>
    /// Whether a space is put in front of a text. Null for the kind's own way: SentencePiece's BPE does, byte-level BPE does not.
    /// </summary>
    public bool? AddPrefixSpace { get; init; }

    /// <summary>
    /// SentencePiece BPE: whether what follows a special token is marked as a word's beginning too, as Llama's tokenizer did at first.
    /// </summary>
    public bool Legacy { get; init; } = true;

    /// <summary>Unigrams: SentencePiece's map of characters; empty for none.</summary>
    public ReadOnlyMemory<byte> CharacterMap { get; init; }

    /// <summary>WordPiece: whether letters become small.</summary>
    public bool Lowercase { get; init; } = true;

    /// <summary>WordPiece: whether accents are dropped; null for <see cref="Lowercase"/>.</summary>
    public bool? StripAccents { get; init; }

    /// <summary>WordPiece: whether every Chinese character becomes a word.</summary>
    public bool IsolateChinese { get; init; } = true;

    /// <summary>Id of what stands for unknown characters or words; null for none.</summary>
    public int? UnknownId { get; init; }

    /// <summary>Ids that an input begins with.</summary>
    public IReadOnlyList<int> Before { get; init; } = [];

    /// <summary>Ids that an input ends with.</summary>
    public IReadOnlyList<int> Behind { get; init; } = [];

    /// <summary>
    /// Ids by role: <c>bos_token</c>, <c>eos_token</c>, <c>unk_token</c>, <c>sep_token</c>, <c>pad_token</c>, <c>cls_token</c>,
    /// <c>mask_token</c>.
    /// </summary>
    public IReadOnlyDictionary<string, int> Roles { get; init; } = new Dictionary<string, int>();
}
