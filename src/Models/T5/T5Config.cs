using System.Text.Json.Nodes;

namespace DfPO.Models.T5;

/// <summary>The fields of HF's <c>config.json</c> that a T5 needs, version 1.0 or 1.1.</summary>
public sealed record T5Config : ModelConfig
{
    /// <summary>Width of the residual stream.</summary>
    public required int DModel { get; init; }

    /// <summary>Size of one attention head; heads times it need not be the width.</summary>
    public required int DKv { get; init; }

    /// <summary>Width of the feed-forward layers.</summary>
    public required int DFf { get; init; }

    /// <summary>Attention heads.</summary>
    public required int NumHeads { get; init; }

    /// <summary>Encoder blocks.</summary>
    public required int NumLayers { get; init; }

    /// <summary>Decoder blocks.</summary>
    public required int NumDecoderLayers { get; init; }

    /// <summary>Buckets of relative positions.</summary>
    public int RelativeAttentionNumBuckets { get; init; } = 32;

    /// <summary>Distance from which on all share the last bucket.</summary>
    public int RelativeAttentionMaxDistance { get; init; } = 128;

    /// <summary>Epsilon of the norms.</summary>
    public double LayerNormEpsilon { get; init; } = 1e-6;

    /// <summary>An activation's name, with <c>gated-</c> before it for a gated layer; <c>gated-gelu</c> means the tanh form.</summary>
    public string FeedForwardProj { get; init; } = "relu";

    /// <summary>Scale of fresh weights.</summary>
    public double InitializerFactor { get; init; } = 1;

    /// <summary>First token of every decoder sequence.</summary>
    public int DecoderStartTokenId { get; init; }

    /// <inheritdoc/>
    public override string ModelType => "t5";

    /// <inheritdoc/>
    public override bool IsEncoderDecoder => true;

    /// <summary>Positions are relative: any length goes.</summary>
    public override int MaxPositions => int.MaxValue;

    /// <inheritdoc/>
    public override int HiddenSize => DModel;

    /// <summary>Whether the feed-forward layers are gated.</summary>
    public bool IsGated => FeedForwardProj.StartsWith(Gated, StringComparison.Ordinal);

    /// <summary>Name of the activation function.</summary>
    public string Activation =>
        FeedForwardProj switch
        {
            "gated-gelu" => "gelu_new",
            _ => IsGated ? FeedForwardProj[Gated.Length..] : FeedForwardProj,
        };

    private const string Gated = "gated-";

    /// <inheritdoc/>
    public override int NumHiddenLayers => NumLayers + NumDecoderLayers;

    /// <inheritdoc/>
    public override int NumAttentionHeads => NumHeads;

    /// <inheritdoc/>
    public override long KeyValueWidth => (long)NumHeads * DKv;

    /// <inheritdoc/>
    public override long ParameterCount
    {
        get
        {
            Int128 width = DModel,
                attention = 4 * width * DKv * NumHeads + width,
                feed = (IsGated ? 3 : 2) * width * DFf + width;
            var encoder = NumLayers * (attention + feed) + width;
            var decoder = NumDecoderLayers * (2 * attention + feed) + width;
            var embeddings = VocabSize * width * (TieWordEmbeddings ? 1 : 2) + 2 * (Int128)RelativeAttentionNumBuckets * NumHeads;
            return Bounded(embeddings + encoder + decoder);
        }
    }

    /// <summary>Parses the JSON of a <c>config.json</c>.</summary>
    /// <param name="json">The object.</param>
    /// <param name="path">File named in errors.</param>
    /// <exception cref="DfpoException"><c>config/field</c>: a field is missing, of the wrong type or out of range.</exception>
    public static T5Config Parse(JsonObject json, string path)
    {
        var fields = new HfConfigReader(json, path);
        var layers = fields.Positive("num_layers");
        var config = new T5Config
        {
            VocabSize = fields.Positive("vocab_size"),
            DModel = fields.Positive("d_model"),
            DKv = fields.Positive("d_kv"),
            DFf = fields.Positive("d_ff"),
            NumHeads = fields.Positive("num_heads"),
            NumLayers = layers,
            NumDecoderLayers = fields.OptionalPositive("num_decoder_layers") ?? layers,
            RelativeAttentionNumBuckets = fields.OptionalPositive("relative_attention_num_buckets") ?? 32,
            RelativeAttentionMaxDistance = fields.OptionalPositive("relative_attention_max_distance") ?? 128,
            LayerNormEpsilon = fields.Number("layer_norm_epsilon", 1e-6),
            FeedForwardProj = fields.Text("feed_forward_proj", "relu"),
            InitializerFactor = fields.Number("initializer_factor", 1),
            TieWordEmbeddings = fields.Flag("tie_word_embeddings", true),
            BosTokenId = fields.OptionalInt("bos_token_id"),
            EosTokenId = fields.FirstInt("eos_token_id"),
            PadTokenId = fields.OptionalInt("pad_token_id"),
            DecoderStartTokenId = fields.OptionalInt("decoder_start_token_id") ?? fields.OptionalInt("pad_token_id") ?? 0,
            Labels = fields.Labels(),
            Raw = json,
        };
        if (fields.Flag("scale_decoder_outputs", config.TieWordEmbeddings) != config.TieWordEmbeddings)
            throw fields.Wrong(
                "scale_decoder_outputs",
                $"what tie_word_embeddings says, {(config.TieWordEmbeddings ? "true" : "false")}: a T5's hidden states are scaled where its head is its embedding"
            );
        // The kind of perceptron is written a second time as what follows from it.
        fields.RefuseUnknown(harmless: ["is_encoder_decoder", "dense_act_fn", "is_gated_act", "n_positions", "output_past"]);
        if (config.RelativeAttentionNumBuckets % 4 != 0 || config.RelativeAttentionMaxDistance <= config.RelativeAttentionNumBuckets / 2)
            throw new DfpoException(
                "config/field",
                $"'{path}': relative_attention_num_buckets {config.RelativeAttentionNumBuckets} must be a multiple of 4, and relative_attention_max_distance {config.RelativeAttentionMaxDistance} more than half of it."
            );
        if (config.DecoderStartTokenId < 0 || config.DecoderStartTokenId >= config.VocabSize)
            throw new DfpoException(
                "config/field",
                $"'{path}': decoder_start_token_id {config.DecoderStartTokenId} is not in the vocabulary of {config.VocabSize} tokens."
            );
        return config;
    }

    /// <inheritdoc/>
    protected override void Write(JsonObject json)
    {
        json["is_encoder_decoder"] = true;
        json["d_model"] = DModel;
        json["d_kv"] = DKv;
        json["d_ff"] = DFf;
        json["num_heads"] = NumHeads;
        json["num_layers"] = NumLayers;
        json["num_decoder_layers"] = NumDecoderLayers;
        json["relative_attention_num_buckets"] = RelativeAttentionNumBuckets;
        json["relative_attention_max_distance"] = RelativeAttentionMaxDistance;
        json["layer_norm_epsilon"] = LayerNormEpsilon;
        json["feed_forward_proj"] = FeedForwardProj;
        json["initializer_factor"] = InitializerFactor;
        json["decoder_start_token_id"] = DecoderStartTokenId;
        json["dropout_rate"] ??= 0.1;
    }
}
