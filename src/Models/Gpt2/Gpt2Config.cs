using System.Text.Json;
using System.Text.Json.Nodes;

namespace DfPO.Models.Gpt2;

/// <summary>The fields of HF's <c>config.json</c> that a GPT-2 needs; all others are kept as they were read and written back.</summary>
public sealed record Gpt2Config
{
    /// <summary>Rows of the embedding.</summary>
    public required int VocabSize { get; init; }

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

    /// <summary>Whether <c>lm_head</c> shares <c>wte</c>'s weight.</summary>
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

    /// <summary>Size of one attention head.</summary>
    public int HeadSize => NEmbd / NHead;

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
            EosTokenId = fields.OptionalInt("eos_token_id"),
            PadTokenId = fields.OptionalInt("pad_token_id"),
            Labels = fields.Labels(),
            Raw = json,
        };
        if (config.NEmbd % config.NHead != 0)
            throw new DfpoException("config/field", $"'{path}': n_embd {config.NEmbd} cannot be divided into n_head {config.NHead} heads.");
        return config;
    }

    /// <summary>The JSON to save: what was read, with the fields of this record over it, and the saved dtype.</summary>
    public JsonObject ToJson(string architecture, string torchDtype)
    {
        var json = (JsonObject)Raw.DeepClone();
        json["architectures"] = new JsonArray(architecture);
        json["model_type"] = "gpt2";
        json["vocab_size"] = VocabSize;
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
        json["tie_word_embeddings"] = TieWordEmbeddings;
        json["bos_token_id"] = BosTokenId;
        json["eos_token_id"] = EosTokenId;
        if (PadTokenId is not null)
            json["pad_token_id"] = PadTokenId;
        json["torch_dtype"] = torchDtype;
        foreach (var dropout in new[] { "attn_pdrop", "embd_pdrop", "resid_pdrop" })
            json[dropout] ??= 0.1;
        json["use_cache"] ??= true;
        if (Labels.Count > 0)
        {
            json["id2label"] = new JsonObject(Labels.Select((label, id) => KeyValuePair.Create(id.ToString(), (JsonNode?)label)));
            json["label2id"] = new JsonObject(Labels.Select((label, id) => KeyValuePair.Create(label, (JsonNode?)id)));
        }
        return json;
    }
}
