using System.Text.Json.Nodes;
using DfPO.Models.Layers;

namespace DfPO.Models.Decoders;

/// <summary>What the families' <c>config.json</c> files have in common.</summary>
internal sealed class DecoderReader(JsonObject json, string path)
{
    private const string Sliding = "sliding_attention";

    /// <summary>The file's fields.</summary>
    public HfConfigReader Fields { get; } = new(json, path);

    public int Width => Fields.Positive("hidden_size");

    public int Layers => Fields.Positive("num_hidden_layers");

    public int Heads => Fields.Positive("num_attention_heads");

    public int Positions => Fields.Positive("max_position_embeddings");

    /// <summary><c>num_key_value_heads</c>.</summary>
    /// <param name="fallback">The class's default when the field is absent; null for as many as there are heads of queries, which is what
    /// null in the file then means too.</param>
    /// <param name="nullable">Whether null in the file means as many as there are heads of queries although the class's default is
    /// another.</param>
    public int KeyValueHeads(int? fallback = null, bool nullable = false)
    {
        const string Field = "num_key_value_heads";
        return Fields.OptionalPositive(Field)
            ?? (
                Fields.Has(Field)
                    ? fallback is null || nullable
                        ? Heads
                        : throw Fields.Wrong(Field, "a whole number of at least 1")
                    : fallback ?? Heads
            );
    }

    /// <summary>Size of a head where the file has no field for it, or one that says the same.</summary>
    public int SharedHeadSize =>
        Width % Heads != 0 ? throw Fields.Wrong("num_attention_heads", $"a divisor of the width {Width}")
        : Fields.OptionalPositive("head_dim") is { } named && named != Width / Heads
            ? throw Fields.Wrong("head_dim", $"the width's share of a head, {Width / Heads}")
        : Width / Heads;

    /// <summary><c>head_dim</c>, or the width's share of a head.</summary>
    public int HeadSize => Fields.OptionalPositive("head_dim") ?? Width / Heads;

    /// <summary>The rotation of a file with one for all layers.</summary>
    public RopeSpec Rope(int headSize) => new RopeReader(Fields, headSize, Positions).Read();

    /// <summary>A window in every layer.</summary>
    public int?[] Windows(int? fallback = null)
    {
        const string Field = "sliding_window";
        var window = Fields.OptionalPositive(Field) ?? (Fields.Has(Field) ? null : fallback);
        return [.. Enumerable.Repeat(window, Layers)];
    }

    /// <summary>A window in the layers that <c>layer_types</c> names, or, where it is absent, in those of a rule.</summary>
    /// <param name="window">The window; null for none, and then no layer may want one.</param>
    /// <param name="slides">Whether a layer has it where nothing is named.</param>
    public int?[] Windows(int? window, Func<int, bool> slides)
    {
        const string Field = "layer_types";
        var types = Fields.OptionalTexts(Field)
            ?? [.. Enumerable.Range(0, Layers).Select(layer => window is not null && slides(layer) ? Sliding : "full_attention")];
        if (types.Length != Layers || types.Any(type => type is not (Sliding or "full_attention")))
            throw Fields.Wrong(Field, $"{Layers} times '{Sliding}' or 'full_attention'");
        return window is null && types.Contains(Sliding)
            ? throw Fields.Wrong(Field, "without 'sliding_attention', as the file has no sliding_window in force")
            : [.. types.Select(type => type == Sliding ? window : null)];
    }

    /// <summary>The configuration with what every file has, checked; fields that nobody has read are refused.</summary>
    /// <param name="config">What the family has read.</param>
    /// <param name="tied">Whether the head is the embedding where the file does not say.</param>
    /// <param name="bos">The class's first token.</param>
    /// <param name="eos">The class's last token.</param>
    /// <param name="pad">The class's padding.</param>
    /// <param name="padded">Whether the padding's row of the embedding learns nothing as an input.</param>
    /// <param name="harmless">Fields of the family that change nothing here.</param>
    /// <exception cref="DfpoException"><c>config/field</c> or <c>config/unknown-field</c>.</exception>
    public DecoderConfig Finish(
        DecoderConfig config,
        bool tied,
        int? bos = null,
        int? eos = null,
        int? pad = null,
        bool padded = true,
        params string[] harmless
    )
    {
        if (config.Heads % config.KeyValueHeads != 0)
            throw Fields.Wrong("num_key_value_heads", $"a divisor of the {config.Heads} heads");
        if (config.HeadSize < 1)
            throw Fields.Wrong("head_dim", "at least 1");
        Activations.Get(config.Activation);
        var padding = Fields.TokenId("pad_token_id", pad);
        config = config with
        {
            TieWordEmbeddings = Fields.Flag("tie_word_embeddings", tied),
            BosTokenId = Fields.TokenId("bos_token_id", bos),
            EosTokenId = Fields.TokenId("eos_token_id", eos),
            PadTokenId = padding,
            // As in PyTorch a negative row counts from the end.
            PaddingRow =
                padded && padding is { } row
                    ? row < 0
                        ? row + config.VocabSize
                        : row
                    : null,
            InitializerRange = Fields.Number("initializer_range", 0.02),
            Positions = (int)Math.Min(int.MaxValue, Math.Max(config.Positions, config.Rope?.Scaling.Reach ?? 0)),
            Labels = Fields.Labels(),
            Raw = json,
        };
        if (config.PaddingRow is { } place && (place < 0 || place >= config.VocabSize))
            throw Fields.Wrong(
                "pad_token_id",
                $"null or a row of the embedding's {config.VocabSize}{(Fields.Has("pad_token_id") ? "" : $"; the class's default {pad} is none")}"
            );
        Fields.RefuseUnknown(harmless: harmless);
        return config;
    }
}
