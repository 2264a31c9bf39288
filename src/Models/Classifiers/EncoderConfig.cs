using System.Text.Json.Nodes;

namespace DfPO.Models.Classifiers;

/// <summary>
/// The fields of HF's <c>config.json</c> that BERT, RoBERTa and DistilBERT need; all others are kept as they were read and written back.
/// </summary>
/// <remarks>DistilBERT calls the same things by other names; here they have BERT's.</remarks>
public sealed record EncoderConfig
{
    // Dropout under these classes' names, what heads for other tasks and TensorFlow's pooler had, how position rows were first filled, a
    // head for words, which a classifier has not, and what sentence-transformers keeps for itself.
    private static readonly string[] s_harmless =
    [
        "attention_probs_dropout_prob",
        "hidden_dropout_prob",
        "seq_classif_dropout",
        "qa_dropout",
        "directionality",
        "pooler_fc_size",
        "pooler_num_attention_heads",
        "pooler_num_fc_layers",
        "pooler_size_per_head",
        "pooler_type",
        "cross_attention_hidden_size",
        "output_past",
        "sinusoidal_pos_embds",
        "tie_weights_",
        "tie_word_embeddings",
        "sbert_ce_default_activation_function",
        "sentence_transformers",
    ];

    /// <summary><c>bert</c>, <c>roberta</c> or <c>distilbert</c>.</summary>
    public required string ModelType { get; init; }

    /// <summary>Rows of the embedding.</summary>
    public required int VocabSize { get; init; }

    /// <summary>Width of the hidden states (<c>hidden_size</c>; <c>dim</c>).</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Number of layers (<c>num_hidden_layers</c>; <c>n_layers</c>).</summary>
    public required int NumHiddenLayers { get; init; }

    /// <summary>Attention heads; divides <see cref="HiddenSize"/> (<c>num_attention_heads</c>; <c>n_heads</c>).</summary>
    public required int NumAttentionHeads { get; init; }

    /// <summary>Width of the feed-forward part (<c>intermediate_size</c>; <c>hidden_dim</c>).</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Rows of the position embedding; RoBERTa's first ones, up to its padding id, are never used.</summary>
    public required int MaxPositionEmbeddings { get; init; }

    /// <summary>Rows of the token-type embedding; 0 for DistilBERT, which has none.</summary>
    public int TypeVocabSize { get; init; }

    /// <summary>Activation of the feed-forward part (<c>hidden_act</c>; <c>activation</c>).</summary>
    public string HiddenAct { get; init; } = "gelu";

    /// <summary>Epsilon of the layer norms.</summary>
    public double LayerNormEps { get; init; } = 1e-12;

    /// <summary>Standard deviation of fresh weights.</summary>
    public double InitializerRange { get; init; } = 0.02;

    /// <summary>Token id of padding.</summary>
    public int PadTokenId { get; init; }

    /// <summary>Class names by id.</summary>
    public IReadOnlyList<string> Labels { get; init; } = [];

    /// <summary><c>problem_type</c>, if any.</summary>
    public string ProblemType { get; init; } = "";

    /// <summary>Everything that was in the file, for writing it back.</summary>
    public JsonObject Raw { get; init; } = [];

    /// <summary>Longest input, in tokens: RoBERTa counts positions from behind its padding id.</summary>
    public int MaxTokens => ModelType == "roberta" ? MaxPositionEmbeddings - PadTokenId - 1 : MaxPositionEmbeddings;

    /// <summary>Parameters of the classifier.</summary>
    public long ParameterCount
    {
        get
        {
            // 128 bits: the fields come from a file and may be anything.
            Int128 width = HiddenSize,
                inner = IntermediateSize;
            var embeddings = (VocabSize + (Int128)MaxPositionEmbeddings + TypeVocabSize + 2) * width;
            var layer = 4 * width * (width + 1) + 2 * width * inner + inner + width + 4 * width;
            var head = width * (width + 1) + Labels.Count * (width + 1);
            return (long)Int128.Min(long.MaxValue, embeddings + NumHiddenLayers * layer + head);
        }
    }

    /// <summary>Parses the JSON of a <c>config.json</c>.</summary>
    /// <param name="json">The object; its <c>model_type</c> is one of the three.</param>
    /// <param name="path">File named in errors.</param>
    /// <exception cref="DfpoException"><c>config/field</c>: a field is missing, of the wrong type or out of range.</exception>
    public static EncoderConfig Parse(JsonObject json, string path)
    {
        var fields = new HfConfigReader(json, path);
        var type = fields.Text("model_type", "");
        var distil = type == "distilbert";
        var config = new EncoderConfig
        {
            ModelType = type,
            VocabSize = fields.Positive("vocab_size"),
            HiddenSize = fields.Positive(distil ? "dim" : "hidden_size"),
            NumHiddenLayers = fields.Positive(distil ? "n_layers" : "num_hidden_layers"),
            NumAttentionHeads = fields.Positive(distil ? "n_heads" : "num_attention_heads"),
            IntermediateSize = fields.Positive(distil ? "hidden_dim" : "intermediate_size"),
            MaxPositionEmbeddings = fields.Positive("max_position_embeddings"),
            TypeVocabSize = distil ? 0 : fields.OptionalPositive("type_vocab_size") ?? 2,
            HiddenAct = fields.Text(distil ? "activation" : "hidden_act", "gelu"),
            LayerNormEps = distil ? 1e-12 : fields.Number("layer_norm_eps", 1e-12),
            InitializerRange = fields.Number("initializer_range", 0.02),
            PadTokenId = fields.OptionalInt("pad_token_id") ?? (type == "roberta" ? 1 : 0),
            // HF writes no names when they are the default ones.
            Labels = json["id2label"] is null
                ? [.. Enumerable.Range(0, fields.OptionalPositive("num_labels") ?? 2).Select(id => $"LABEL_{id}")]
                : fields.Labels(),
            ProblemType = fields.Text("problem_type", ""),
            Raw = json,
        };
        if (config.HiddenSize % config.NumAttentionHeads != 0)
            throw new DfpoException(
                "config/field",
                $"'{path}': a width of {config.HiddenSize} cannot be divided into {config.NumAttentionHeads} heads."
            );
        if (config.PadTokenId < 0 || config.PadTokenId >= config.VocabSize || config.MaxTokens < 1)
            throw new DfpoException(
                "config/field",
                $"'{path}': field 'pad_token_id' is {config.PadTokenId} but must be a token, with positions left behind it."
            );
        if (fields.Text("position_embedding_type", "absolute") != "absolute")
            throw new DfpoException(
                "config/field",
                $"'{path}': field 'position_embedding_type' is '{fields.Text("position_embedding_type", "")}' but only absolute positions are known."
            );
        if (fields.Flag("is_decoder", false))
            throw new DfpoException(
                "config/field",
                $"'{path}': field 'is_decoder' is true, which makes its attention causal, but only encoders are known: set it to false."
            );
        fields.RefuseUnknown(harmless: s_harmless);
        if (config.Labels.Count == 0)
            throw new DfpoException("config/field", $"'{path}': field 'id2label' must have at least one entry.");
        return config;
    }

    /// <summary>The JSON to save: what was read, with the labels and the saved dtype over it.</summary>
    public JsonObject ToJson(string architecture, string torchDtype)
    {
        var json = (JsonObject)Raw.DeepClone();
        var distil = ModelType == "distilbert";
        json["architectures"] = new JsonArray(architecture);
        json["model_type"] = ModelType;
        json["vocab_size"] = VocabSize;
        json[distil ? "dim" : "hidden_size"] = HiddenSize;
        json[distil ? "n_layers" : "num_hidden_layers"] = NumHiddenLayers;
        json[distil ? "n_heads" : "num_attention_heads"] = NumAttentionHeads;
        json[distil ? "hidden_dim" : "intermediate_size"] = IntermediateSize;
        json[distil ? "activation" : "hidden_act"] = HiddenAct;
        json["max_position_embeddings"] = MaxPositionEmbeddings;
        json["initializer_range"] = InitializerRange;
        json["pad_token_id"] = PadTokenId;
        if (!distil)
        {
            json["type_vocab_size"] = TypeVocabSize;
            json["layer_norm_eps"] = LayerNormEps;
        }
        if (ProblemType.Length > 0)
            json["problem_type"] = ProblemType;
        json["id2label"] = new JsonObject(Labels.Select((label, id) => KeyValuePair.Create(id.ToString(), (JsonNode?)label)));
        json["label2id"] = new JsonObject(Labels.Select((label, id) => KeyValuePair.Create(label, (JsonNode?)id)));
        // transformers 4 reads the one, 5 the other.
        (json["torch_dtype"], json["dtype"]) = (torchDtype, torchDtype);
        ConfigSpelling.Floats(json);
        return json;
    }
}
