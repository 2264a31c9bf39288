using System.Text.Json.Nodes;

namespace DfPO.Models;

/// <summary>What any architecture's <c>config.json</c> tells; fields that no code needs are kept as they were read and written back.</summary>
public abstract record ModelConfig
{
    /// <summary>HF's <c>model_type</c>.</summary>
    public abstract string ModelType { get; }

    /// <summary>Rows of the embedding.</summary>
    public required int VocabSize { get; init; }

    /// <summary>Whether the language-model head shares the embedding's weight.</summary>
    public bool TieWordEmbeddings { get; init; } = true;

    /// <summary>First token id of a text, if the tokenizer has one.</summary>
    public int? BosTokenId { get; init; }

    /// <summary>Token id that ends a text.</summary>
    public int? EosTokenId { get; init; }

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

    /// <summary>Tokens whose keys and values the blocks cache of a sequence, summed over the blocks: a block with a window keeps its window.</summary>
    public virtual double CachedTokens(double tokens) => NumHiddenLayers * tokens;

    /// <summary>Parameters of the language model, a tied head counted once; <see cref="long.MaxValue"/> for sizes beyond reason.</summary>
    public abstract long ParameterCount { get; }

    /// <summary>Whether prompts go to an encoder of their own.</summary>
    public virtual bool IsEncoderDecoder => false;

    /// <summary>Reads the configuration of a language model of any known architecture.</summary>
    /// <param name="json">The object of a <c>config.json</c>.</param>
    /// <param name="path">File named in errors.</param>
    /// <exception cref="DfpoException"><c>model/unknown-type</c>; <c>config/field</c> for a field that is missing, of the wrong type, out of range or not supported; <c>config/unknown-field</c>.</exception>
    public static ModelConfig FromJson(JsonObject json, string path) => Architectures.Of(json, path).Parse(json, path);

    /// <summary>Refuses sequences that the model has no positions for.</summary>
    /// <exception cref="DfpoException"><c>model/too-long</c>.</exception>
    internal void RequireRoom(long length)
    {
        if (length > MaxPositions)
            throw new DfpoException("model/too-long", $"A sequence of {length} tokens does not fit the model's {MaxPositions} positions: shorten prompts or continuations.");
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
        json["bos_token_id"] = BosTokenId;
        // A model may end its texts in several ways; the first stands here, the file keeps them all.
        if (json["eos_token_id"] is not JsonArray)
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
