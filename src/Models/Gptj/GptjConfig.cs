using System.Text.Json.Nodes;

namespace DfPO.Models.Gptj;

/// <summary>The fields of HF's <c>config.json</c> that a GPT-J needs.</summary>
public sealed record GptjConfig : ModelConfig
{
    /// <summary>Longest sequence, in tokens.</summary>
    public required int NPositions { get; init; }

    /// <summary>Width of the residual stream.</summary>
    public required int NEmbd { get; init; }

    /// <summary>Number of blocks.</summary>
    public required int NLayer { get; init; }

    /// <summary>Attention heads; divides <see cref="NEmbd"/>.</summary>
    public required int NHead { get; init; }

    /// <summary>Channels of each head that carry its position: even, at most the head's size.</summary>
    public required int RotaryDim { get; init; }

    /// <summary>Width of the MLP; <c>4 * NEmbd</c> when null.</summary>
    public int? NInner { get; init; }

    /// <summary>Name of the activation function; see <see cref="Gpt2.Gpt2Config.ActivationFunction"/>.</summary>
    public string ActivationFunction { get; init; } = "gelu_new";

    /// <summary>Epsilon of the layer norms.</summary>
    public double LayerNormEpsilon { get; init; } = 1e-5;

    /// <summary>Standard deviation of fresh weights.</summary>
    public double InitializerRange { get; init; } = 0.02;

    /// <inheritdoc/>
    public override string ModelType => "gptj";

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
            Int128 width = NEmbd, inner = NInner ?? 4 * width;
            var block = 4 * width * width + 2 * width * inner + inner + width + 2 * width;
            return Bounded(2 * VocabSize * width + VocabSize + NLayer * block + 2 * width);
        }
    }

    /// <summary>Parses the JSON of a <c>config.json</c>.</summary>
    /// <param name="json">The object.</param>
    /// <param name="path">File named in errors.</param>
    /// <exception cref="DfpoException"><c>config/field</c>: a field is missing, of the wrong type or out of range.</exception>
    public static GptjConfig Parse(JsonObject json, string path)
    {
        var fields = new HfConfigReader(json, path);
        int width = fields.Positive("n_embd"), heads = fields.Positive("n_head");
        var config = new GptjConfig
        {
            VocabSize = fields.Positive("vocab_size"),
            NPositions = fields.Positive("n_positions"),
            NEmbd = width,
            NLayer = fields.Positive("n_layer"),
            NHead = heads,
            RotaryDim = fields.OptionalPositive("rotary_dim") ?? width / heads,
            NInner = fields.OptionalPositive("n_inner"),
            ActivationFunction = fields.Text("activation_function", "gelu_new"),
            LayerNormEpsilon = fields.Number("layer_norm_epsilon", 1e-5),
            InitializerRange = fields.Number("initializer_range", 0.02),
            TieWordEmbeddings = fields.Flag("tie_word_embeddings", false),
            BosTokenId = fields.OptionalInt("bos_token_id"),
            EosTokenId = fields.FirstInt("eos_token_id"),
            PadTokenId = fields.OptionalInt("pad_token_id"),
            Labels = fields.Labels(),
            Raw = json,
        };
        if (width % heads != 0)
            throw new DfpoException("config/field", $"'{path}': n_embd {width} cannot be divided into n_head {heads} heads.");
        if (config.RotaryDim % 2 != 0 || config.RotaryDim > config.HeadSize)
            throw new DfpoException("config/field", $"'{path}': rotary_dim {config.RotaryDim} must be even and at most the head size {config.HeadSize}.");
        if (config.TieWordEmbeddings)
            throw new DfpoException("config/field", $"'{path}': tie_word_embeddings is true, but a GPT-J's head has a weight and a bias of its own.");
        return config;
    }

    /// <inheritdoc/>
    protected override void Write(JsonObject json)
    {
        json["n_positions"] = NPositions;
        json["n_embd"] = NEmbd;
        json["n_layer"] = NLayer;
        json["n_head"] = NHead;
        json["rotary_dim"] = RotaryDim;
        json["n_inner"] = NInner;
        json["activation_function"] = ActivationFunction;
        json["layer_norm_epsilon"] = LayerNormEpsilon;
        json["initializer_range"] = InitializerRange;
        foreach (var dropout in new[] { "attn_pdrop", "embd_pdrop", "resid_pdrop" })
            json[dropout] ??= 0.0;
    }
}
