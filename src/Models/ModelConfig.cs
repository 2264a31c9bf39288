using System.Text.Json.Nodes;

namespace DfPO.Models;

/// <summary>
/// What any architecture's <c>config.json</c> tells; fields that no code needs are kept as they were read and written back.
/// </summary>
public abstract record ModelConfig
{
    // Of the configuration classes of transformers 5.24; the others have none.
    private static readonly Dictionary<string, int> s_endsOfClasses = new()
    {
        ["gpt2"] = 50256,
        ["gptj"] = 50256,
        ["gpt_neo"] = 50256,
        ["gpt_bigcode"] = 50256,
        ["starcoder2"] = 50256,
        ["olmo2"] = 50279,
        ["phi3"] = 32000,
        ["llama"] = 2,
        ["mistral"] = 2,
        ["gpt_neox"] = 2,
        ["opt"] = 2,
        ["gemma2"] = 1,
        ["gemma3_text"] = 1,
        ["t5"] = 1,
        ["stablelm"] = 0,
    };

    /// <summary>HF's <c>model_type</c>.</summary>
    public abstract string ModelType { get; }

    /// <summary>Rows of the embedding.</summary>
    public required int VocabSize { get; init; }

    /// <summary>Whether the language-model head shares the embedding's weight.</summary>
    public bool TieWordEmbeddings { get; init; } = true;

    /// <summary>First token id of a text, if the tokenizer has one.</summary>
    public int? BosTokenId { get; init; }

    /// <summary>Token id that ends a text: the first, where there are several.</summary>
    public int? EosTokenId { get; init; }

    /// <summary>All token ids that end a text: those of the file, or where it does not say, what HF's class takes by default.</summary>
    public IReadOnlyList<int> EosTokenIds =>
        Raw["eos_token_id"] is JsonArray all ? [.. all.Select(id => (int)id!)]
        : EosTokenId is { } one ? [one]
        : Raw.Count > 0 && !Raw.ContainsKey("eos_token_id") && s_endsOfClasses.TryGetValue(ModelType, out var usual) ? [usual]
        : [];

    /// <summary>Token id of padding, if any.</summary>
    public int? PadTokenId { get; init; }

    /// <summary>Class names of a sequence classifier by id; empty for a language model.</summary>
    public IReadOnlyList<string> Labels { get; init; } = [];

    /// <summary>Everything that was in the file, for writing it back.</summary>
    public JsonObject Raw { get; init; } = [];

    /// <summary>Longest sequence, in tokens; <see cref="int.MaxValue"/> where positions are relative.</summary>
    public abstract int MaxPositions { get; }

    /// <summary>Width of the hidden states.</summary>
    public abstract int HiddenSize { get; }

    /// <summary>Width of the hidden states as a head reads them.</summary>
    public virtual int OutputSize => HiddenSize;

    /// <summary>Blocks; an encoder's and a decoder's are both counted.</summary>
    public abstract int NumHiddenLayers { get; }

    /// <summary>Attention heads of a block.</summary>
    public abstract int NumAttentionHeads { get; }

    /// <summary>Width of the keys, and of the values, that a block caches of each token.</summary>
    public abstract long KeyValueWidth { get; }

    /// <summary>
    /// Tokens whose keys and values the blocks cache of a sequence, summed over the blocks: a block with a window keeps its window.
    /// </summary>
    public virtual double CachedTokens(double tokens) => NumHiddenLayers * tokens;

    /// <summary>Parameters of the language model, a tied head counted once; <see cref="long.MaxValue"/> for sizes beyond reason.</summary>
    public abstract long ParameterCount { get; }

    /// <summary>Whether prompts go to an encoder of their own.</summary>
    public virtual bool IsEncoderDecoder => false;

    /// <summary>Reads the configuration of a language model of any known architecture.</summary>
    /// <param name="json">The object of a <c>config.json</c>.</param>
    /// <param name="path">File named in errors.</param>
    /// <exception cref="DfpoException"><c>model/unknown-type</c>; <c>config/field</c> for a field that is missing, of the wrong type, out
    /// of range or not supported; <c>config/unknown-field</c>.</exception>
    public static ModelConfig FromJson(JsonObject json, string path) => Architectures.Of(json, path).Parse(json, path);

    /// <summary>Refuses sequences that the model has no positions for.</summary>
    /// <exception cref="DfpoException"><c>model/too-long</c>.</exception>
    internal void RequireRoom(long length)
    {
        if (length > MaxPositions)
            throw new DfpoException(
                "model/too-long",
                $"A sequence of {length} tokens does not fit the model's {MaxPositions} positions: shorten prompts or continuations."
            );
    }

    /// <summary>The JSON to save: what was read, with the fields of this record over it, and the saved dtype.</summary>
    public JsonObject ToJson(string architecture, string torchDtype)
    {
        var json = (JsonObject)Raw.DeepClone();
        json["architectures"] = new JsonArray(architecture);
        json["model_type"] = ModelType;
        json["vocab_size"] = VocabSize;
        Write(json);
        json["tie_word_embeddings"] = TieWordEmbeddings;
        if (BosTokenId is not null || Raw.Count == 0 || Raw.ContainsKey("bos_token_id"))
            json["bos_token_id"] = BosTokenId;
        // A model may end its texts in several ways; the first stands here, the file keeps them all.
        // What the file leaves to the class stays with the class: null would mean none.
        if (json["eos_token_id"] is not JsonArray && (EosTokenId is not null || EosTokenIds.Count == 0))
            json["eos_token_id"] = EosTokenId;
        if (PadTokenId is not null)
            json["pad_token_id"] = PadTokenId;
        // transformers 4 reads the one, 5 the other.
        (json["torch_dtype"], json["dtype"]) = (torchDtype, torchDtype);
        json["use_cache"] ??= true;
        if (Labels.Count > 0)
        {
            json["id2label"] = new JsonObject(Labels.Select((label, id) => KeyValuePair.Create(id.ToString(), (JsonNode?)label)));
            json["label2id"] = new JsonObject(Labels.Select((label, id) => KeyValuePair.Create(label, (JsonNode?)id)));
        }
        ConfigSpelling.Floats(json);
        return json;
    }

    /// <summary>Puts the architecture's own fields into the JSON to save.</summary>
    protected abstract void Write(JsonObject json);

    /// <summary>A count that may have come from a file with any numbers in it.</summary>
    protected static long Bounded(Int128 count) => (long)Int128.Min(long.MaxValue, count);
}
