using System.Text.Json.Nodes;

namespace DfPO.Models.Gpt2;

/// <summary>The fields of HF's <c>config.json</c> that a GPT-2 needs; all others are kept as they were read and written back.</summary>
public sealed record Gpt2Config : ModelConfig
{
    /// <summary>Longest sequence, in tokens.</summary>
    public required int NPositions { get; init; }

    /// <summary>Width of the residual stream.</summary>
    public required int NEmbd { get; init; }

    /// <summary>Number of blocks.</summary>
    public required int NLayer { get; init; }

    /// <summary>Attention heads; divides <see cref="NEmbd"/>.</summary>
    public required int NHead { get; init; }

    /// <summary>Width of the MLP; <c>4 * NEmbd</c> when null.</summary>
    public int? NInner { get; init; }

    /// <summary><c>gelu_new</c>, <c>gelu_pytorch_tanh</c>, <c>gelu</c>, <c>relu</c>, <c>silu</c> or <c>tanh</c>.</summary>
    public string ActivationFunction { get; init; } = "gelu_new";

    /// <summary>Epsilon of the layer norms.</summary>
    public double LayerNormEpsilon { get; init; } = 1e-5;

    /// <summary>Standard deviation of fresh weights.</summary>
    public double InitializerRange { get; init; } = 0.02;

    /// <summary>Whether attention scores are divided by the square root of the head size.</summary>
    public bool ScaleAttnWeights { get; init; } = true;

    /// <summary>Whether attention scores are divided by the block's one-based index as well.</summary>
    public bool ScaleAttnByInverseLayerIdx { get; init; }

    /// <inheritdoc/>
    public override string ModelType => "gpt2";

    /// <inheritdoc/>
    public override int MaxPositions => NPositions;

    /// <inheritdoc/>
    public override int HiddenSize => NEmbd;

    /// <summary>Size of one attention head.</summary>
    public int HeadSize => NEmbd / NHead;

    /// <inheritdoc/>
    public override int NumHiddenLayers => NLayer;

    /// <inheritdoc/>
    public override int NumAttentionHeads => NHead;

    /// <inheritdoc/>
    public override long KeyValueWidth => NEmbd;

    /// <inheritdoc/>
    public override long ParameterCount
    {
        get
        {
            // 128 bits: the fields come from a file and may be anything.
            Int128 width = NEmbd,
                inner = NInner ?? 4 * width;
            var block = 4 * width * width + 2 * width * inner + 9 * width + inner;
            return Bounded((VocabSize * (TieWordEmbeddings ? 1 : (Int128)2) + NPositions) * width + NLayer * block + 2 * width);
        }
    }

    /// <summary>Parses the JSON of a <c>config.json</c>.</summary>
    /// <param name="json">The object.</param>
    /// <param name="path">File named in errors.</param>
    /// <exception cref="DfpoException"><c>config/field</c>: a field is missing, of the wrong type or out of range.</exception>
    public static Gpt2Config Parse(JsonObject json, string path)
    {
        var fields = new HfConfigReader(json, path);
        var config = new Gpt2Config
        {
            VocabSize = fields.Positive("vocab_size"),
            NPositions = fields.Positive("n_positions"),
            NEmbd = fields.Positive("n_embd"),
            NLayer = fields.Positive("n_layer"),
            NHead = fields.Positive("n_head"),
            NInner = fields.OptionalPositive("n_inner"),
            ActivationFunction = fields.Text("activation_function", "gelu_new"),
            LayerNormEpsilon = fields.Number("layer_norm_epsilon", 1e-5),
            InitializerRange = fields.Number("initializer_range", 0.02),
            ScaleAttnWeights = fields.Flag("scale_attn_weights", true),
            ScaleAttnByInverseLayerIdx = fields.Flag("scale_attn_by_inverse_layer_idx", false),
            TieWordEmbeddings = fields.Flag("tie_word_embeddings", true),
            BosTokenId = fields.OptionalInt("bos_token_id"),
            EosTokenId = fields.FirstInt("eos_token_id"),
            PadTokenId = fields.OptionalInt("pad_token_id"),
            Labels = fields.Labels(),
            Raw = json,
        };
        fields.RefuseUnknown(
            harmless:
            [
                "n_ctx",
                "reorder_and_upcast_attn",
                "summary_type",
                "summary_use_proj",
                "summary_activation",
                "summary_proj_to_labels",
                "summary_first_dropout",
            ]
        );
        if (config.NEmbd % config.NHead != 0)
            throw new DfpoException("config/field", $"'{path}': n_embd {config.NEmbd} cannot be divided into n_head {config.NHead} heads.");
        return config;
    }

    /// <inheritdoc/>
    protected override void Write(JsonObject json)
    {
        json["n_positions"] = NPositions;
        json["n_ctx"] ??= NPositions;
        json["n_embd"] = NEmbd;
        json["n_layer"] = NLayer;
        json["n_head"] = NHead;
        json["n_inner"] = NInner;
        json["activation_function"] = ActivationFunction;
        json["layer_norm_epsilon"] = LayerNormEpsilon;
        json["initializer_range"] = InitializerRange;
        json["scale_attn_weights"] = ScaleAttnWeights;
        json["scale_attn_by_inverse_layer_idx"] = ScaleAttnByInverseLayerIdx;
        foreach (var dropout in new[] { "attn_pdrop", "embd_pdrop", "resid_pdrop" })
            json[dropout] ??= 0.1;
    }
}
