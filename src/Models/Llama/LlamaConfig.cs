using System.Text.Json.Nodes;

namespace DfPO.Models.Llama;

/// <summary>The fields of HF's <c>config.json</c> that a Llama needs.</summary>
public sealed record LlamaConfig : ModelConfig
{
    /// <summary>Width of the residual stream.</summary>
    public required int Width { get; init; }

    /// <summary>Width of the gated perceptron.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Number of blocks.</summary>
    public required int Layers { get; init; }

    /// <summary>Heads of queries.</summary>
    public required int Heads { get; init; }

    /// <summary>Heads of keys and values; divides <see cref="Heads"/>.</summary>
    public required int KeyValueHeads { get; init; }

    /// <summary>Size of one head, even.</summary>
    public required int HeadSize { get; init; }

    /// <summary>Longest sequence, in tokens.</summary>
    public required int Positions { get; init; }

    /// <summary>Name of the gate's activation function.</summary>
    public string Activation { get; init; } = "silu";

    /// <summary>Epsilon of the norms.</summary>
    public double RmsNormEpsilon { get; init; } = 1e-6;

    /// <summary>Base of the rotary frequencies.</summary>
    public double RopeTheta { get; init; } = 10000;

    /// <summary>How the frequencies are stretched beyond the context of pre-training; null for not at all.</summary>
    public RopeScaling? RopeScaling { get; init; }

    /// <summary>Whether attention's projections have biases.</summary>
    public bool AttentionBias { get; init; }

    /// <summary>Whether the perceptron's projections have biases.</summary>
    public bool MlpBias { get; init; }

    /// <summary>Standard deviation of fresh weights.</summary>
    public double InitializerRange { get; init; } = 0.02;

    /// <inheritdoc/>
    public override string ModelType => "llama";

    /// <inheritdoc/>
    public override int MaxPositions => Positions;

    /// <inheritdoc/>
    public override int HiddenSize => Width;

    /// <inheritdoc/>
    public override int NumHiddenLayers => Layers;

    /// <inheritdoc/>
    public override int NumAttentionHeads => Heads;

    /// <inheritdoc/>
    public override long KeyValueWidth => (long)KeyValueHeads * HeadSize;

    /// <inheritdoc/>
    public override long ParameterCount
    {
        get
        {
            Int128 width = Width, queries = (Int128)Heads * HeadSize, keys = (Int128)KeyValueHeads * HeadSize, inner = IntermediateSize;
            var biases = (AttentionBias ? queries + 2 * keys + width : 0) + (MlpBias ? 2 * inner + width : 0);
            var block = 2 * width * queries + 2 * width * keys + 3 * width * inner + 2 * width + biases;
            return Bounded(VocabSize * width * (TieWordEmbeddings ? 1 : 2) + Layers * block + width);
        }
    }

    /// <summary>Parses the JSON of a <c>config.json</c>.</summary>
    /// <param name="json">The object.</param>
    /// <param name="path">File named in errors.</param>
    /// <exception cref="DfpoException"><c>config/field</c>: a field is missing, of the wrong type, out of range or not supported.</exception>
    public static LlamaConfig Parse(JsonObject json, string path)
    {
        var fields = new HfConfigReader(json, path);
        // Newer files keep base and scaling of the rotation together.
        var rope = fields.Section("rope_parameters") ?? fields.Section("rope_scaling");
        int width = fields.Positive("hidden_size"), heads = fields.Positive("num_attention_heads");
        var config = new LlamaConfig
        {
            VocabSize = fields.Positive("vocab_size"),
            Width = width,
            IntermediateSize = fields.Positive("intermediate_size"),
            Layers = fields.Positive("num_hidden_layers"),
            Heads = heads,
            KeyValueHeads = fields.OptionalPositive("num_key_value_heads") ?? heads,
            HeadSize = fields.OptionalPositive("head_dim") ?? width / heads,
            Positions = fields.Positive("max_position_embeddings"),
            Activation = fields.Text("hidden_act", "silu"),
            RmsNormEpsilon = fields.Number("rms_norm_eps", 1e-6),
            RopeTheta = rope?.OptionalNumber("rope_theta") ?? fields.Number("rope_theta", 10000),
            RopeScaling = rope is null ? null : RopeScaling.Parse(rope, path),
            AttentionBias = fields.Flag("attention_bias", false),
            MlpBias = fields.Flag("mlp_bias", false),
            InitializerRange = fields.Number("initializer_range", 0.02),
            TieWordEmbeddings = fields.Flag("tie_word_embeddings", false),
            BosTokenId = fields.OptionalInt("bos_token_id"),
            EosTokenId = fields.FirstInt("eos_token_id"),
            PadTokenId = fields.OptionalInt("pad_token_id"),
            Labels = fields.Labels(),
            Raw = json,
        };
        if (heads % config.KeyValueHeads != 0)
            throw new DfpoException("config/field", $"'{path}': num_attention_heads {heads} cannot share num_key_value_heads {config.KeyValueHeads} evenly.");
        if (config.HeadSize % 2 != 0)
            throw new DfpoException("config/field", $"'{path}': the head size {config.HeadSize} must be even for rotary positions.");
        return config;
    }

    /// <inheritdoc/>
    protected override void Write(JsonObject json)
    {
        json["hidden_size"] = Width;
        json["intermediate_size"] = IntermediateSize;
        json["num_hidden_layers"] = Layers;
        json["num_attention_heads"] = Heads;
        json["num_key_value_heads"] = KeyValueHeads;
        json["head_dim"] = HeadSize;
        json["max_position_embeddings"] = Positions;
        json["hidden_act"] = Activation;
        json["rms_norm_eps"] = RmsNormEpsilon;
        if (json["rope_parameters"] is null)
        {
            json["rope_theta"] = RopeTheta;
            if (RopeScaling is not null)
                json["rope_scaling"] = RopeScaling.ToJson();
        }
        json["attention_bias"] = AttentionBias;
        json["mlp_bias"] = MlpBias;
        json["initializer_range"] = InitializerRange;
    }
}
