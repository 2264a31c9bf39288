using System.Text.Json.Nodes;
using DfPO.Models.Layers;

namespace DfPO.Models.Decoders.Families;

/// <summary>
/// Gemma 2 (bounds of scores and logits) and the text part of Gemma 3 (norms of heads, a base of its own for layers with a window): four
/// norms a block, each times one plus its weight.
/// </summary>
/// <remarks>Sources: Gemma Team 2024 and 2025; HF's <c>Gemma2ForCausalLM</c> and <c>Gemma3ForCausalLM</c>.</remarks>
internal static class Gemma
{
    private static readonly DecoderNames s_names = new()
    {
        AttentionOutputNorm = "post_attention_layernorm",
        MlpNorm = "pre_feedforward_layernorm",
        MlpOutputNorm = "post_feedforward_layernorm",
    };

    public static DecoderConfig Parse2(JsonObject json, string path)
    {
        var reader = new DecoderReader(json, path);
        var window = Window(reader);
        return Finish(
            reader,
            Shape(reader, "gemma2", "Gemma2ForCausalLM", logitCap: 30) with
            {
                ScoreCap = Cap(reader.Fields, "attn_logit_softcapping", 50),
                Rope = reader.Rope(HeadSize(reader)),
                Windows = reader.Windows(window, layer => layer % 2 == 0),
            }
        );
    }

    public static DecoderConfig Parse3(JsonObject json, string path)
    {
        var reader = new DecoderReader(json, path);
        var fields = reader.Fields;
        // Where the layers' types are named, whatever pattern stands there as well is stale.
        var pattern = fields.OptionalPositive("sliding_window_pattern") ?? fields.OptionalPositive("_sliding_window_pattern") ?? 6;
        fields.Has("_sliding_window_pattern");
        // The original reads the bound of the scores and does not apply it.
        fields.Has("attn_logit_softcapping");
        var (full, local) = Ropes(reader);
        return Finish(
            reader,
            Shape(reader, "gemma3_text", "Gemma3ForCausalLM", logitCap: null) with
            {
                ClassifierName = "Gemma3TextForSequenceClassification",
                HeadNorm = HeadNorm.Each,
                Rope = full,
                WindowRope = local,
                Windows = reader.Windows(Window(reader), layer => (layer + 1) % pattern != 0),
            }
        ) with
        {
            Positions = reader.Positions,
        };
    }

    private static (RopeSpec Full, RopeSpec Local) Ropes(DecoderReader reader)
    {
        var (fields, rope) = (reader.Fields, new RopeReader(reader.Fields, HeadSize(reader), reader.Positions));
        var both = fields.Section("rope_parameters");
        HfConfigReader? full = both?.Section("full_attention"),
            local = both?.Section("sliding_attention");
        both?.RefuseUnknown("rope_parameters.");
        var old = fields.Section("rope_scaling");
        double theta = fields.PositiveNumber("rope_theta", 1e6),
            localTheta = fields.PositiveNumber("rope_local_base_freq", 1e4);
        return (
            rope.Spec(
                old ?? full,
                old is null ? "rope_parameters.full_attention" : "rope_scaling",
                full?.OptionalNumber("rope_theta") ?? theta
            ),
            rope.Spec(local, "rope_parameters.sliding_attention", local?.OptionalNumber("rope_theta") ?? localTheta)
        );
    }

    private static int HeadSize(DecoderReader reader) => reader.Fields.OptionalPositive("head_dim") ?? 256;

    private static int? Window(DecoderReader reader) =>
        reader.Fields.Has("sliding_window") ? reader.Fields.OptionalPositive("sliding_window") : 4096;

    private static DecoderConfig Shape(DecoderReader reader, string family, string architecture, double? logitCap)
    {
        var (fields, headSize) = (reader.Fields, HeadSize(reader));
        var biased = fields.Flag("attention_bias", false);
        return new DecoderConfig
        {
            Family = family,
            Architecture = architecture,
            Names = s_names,
            VocabSize = fields.Positive("vocab_size"),
            Width = reader.Width,
            EmbeddingWidth = reader.Width,
            Layers = reader.Layers,
            Heads = reader.Heads,
            KeyValueHeads = reader.KeyValueHeads(4),
            HeadSize = headSize,
            InnerWidth = fields.Positive("intermediate_size"),
            Positions = reader.Positions,
            Norm = NormKind.RmsPlusOne,
            NormEpsilon = fields.Number("rms_norm_eps", 1e-6),
            QueryKeyValueBias = biased,
            OutputBias = biased,
            Activation = fields.Text("hidden_activation", "gelu_pytorch_tanh"),
            Scale = 1 / Math.Sqrt(fields.PositiveNumber("query_pre_attn_scalar", 256)),
            LogitCap = Cap(fields, "final_logit_softcapping", logitCap),
            ScalesEmbedding = true,
            Windows = [],
        };
    }

    private static double? Cap(HfConfigReader fields, string field, double? fallback) =>
        fields.Has(field)
            ? fields.OptionalNumber(field) is null
                ? null
                : fields.PositiveNumber(field)
            : fallback;

    // Files of transformers 4 name the activation twice; the original takes the newer name alone.
    private static DecoderConfig Finish(DecoderReader reader, DecoderConfig config) =>
        reader.Finish(config, tied: true, bos: 2, eos: 1, pad: 0, harmless: ["hidden_act", "sliding_window_size"]);
}
