using System.Text.Json.Nodes;
using DfPO.Models.Layers;

namespace DfPO.Models.Decoders;

/// <summary>
/// What a decoder-only model of any family is built of: read from a <c>config.json</c> by the family's class in <c>Families</c>.
/// </summary>
internal sealed record DecoderConfig : ModelConfig
{
    /// <inheritdoc/>
    public override string ModelType => Family;

    /// <inheritdoc/>
    public override int MaxPositions => Positions;

    /// <inheritdoc/>
    public override int HiddenSize => Width;

    /// <inheritdoc/>
    public override int OutputSize => EmbeddingWidth;

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
            // 128 bits: the fields come from a file and may be anything.
            Int128 width = Width,
                inner = InnerWidth,
                queries = (Int128)Heads * HeadSize,
                keys = (Int128)KeyValueHeads * HeadSize;
            var norm = width * (Norm == NormKind.Layer ? 2 : 1);
            var headNorms = HeadNorm switch
            {
                HeadNorm.None => 0,
                HeadNorm.Each => 2 * (Int128)HeadSize,
                _ => queries + keys,
            };
            var attention = (2 * width * (queries + keys)) + (QueryKeyValueBias ? queries + (2 * keys) : 0) + (OutputBias ? width : 0);
            var expansions = Names.Gate is null ? 1 : 2;
            var perceptron = ((expansions + 1) * width * inner) + (MlpBias ? (expansions * inner) + width : 0);
            var norms = new[] { Names.AttentionNorm, Names.AttentionOutputNorm, Names.MlpNorm, Names.MlpOutputNorm }.Count(name =>
                name is not null
            );
            var block = attention + perceptron + headNorms + (norms * norm);
            Int128 embedding = EmbeddingWidth,
                table = VocabSize * embedding;
            var ends =
                (LearnedPositions * width) + (Names.FinalNorm is null ? 0 : norm) + (EmbeddingWidth == Width ? 0 : 2 * embedding * width);
            return Bounded(table + (TieWordEmbeddings ? 0 : table + (HeadBias ? VocabSize : 0)) + ends + (Layers * block));
        }
    }

    /// <inheritdoc/>
    public override double CachedTokens(double tokens) => Windows.Sum(window => Math.Min(tokens, window ?? tokens));

    /// <summary>HF's class for a language model, such as <c>LlamaForCausalLM</c>.</summary>
    public required string Architecture { get; init; }

    /// <summary>HF's class for a classifier.</summary>
    public string ClassifierArchitecture =>
        ClassifierName ?? Architecture.Replace("ForCausalLM", "ForSequenceClassification", StringComparison.Ordinal);

    public string? ClassifierName { get; init; }

    public required string Family { get; init; }

    public DecoderNames Names { get; init; } = new();

    public required int Width { get; init; }

    /// <summary>
    /// Width of the embedding and of what the head reads; a projection stands between where it is not <see cref="Width"/>.
    /// </summary>
    public required int EmbeddingWidth { get; init; }

    public required int Layers { get; init; }

    public required int Heads { get; init; }

    /// <summary>Heads of keys and values; divides <see cref="Heads"/>.</summary>
    public required int KeyValueHeads { get; init; }

    public required int HeadSize { get; init; }

    public required int InnerWidth { get; init; }

    /// <summary>Longest sequence, in tokens.</summary>
    public required int Positions { get; init; }

    /// <summary>Rows of the table of learnt positions; 0 for none.</summary>
    public int LearnedPositions { get; init; }

    /// <summary>Row of position 0.</summary>
    public int PositionOffset { get; init; }

    public NormKind Norm { get; init; }

    public required double NormEpsilon { get; init; }

    public ResidualKind Residual { get; init; }

    public ProjectionLayout Layout { get; init; }

    public HeadNorm HeadNorm { get; init; }

    public bool QueryKeyValueBias { get; init; }

    public bool OutputBias { get; init; }

    public bool MlpBias { get; init; }

    public bool HeadBias { get; init; }

    public required string Activation { get; init; }

    /// <summary>Factor of the scores.</summary>
    public required double Scale { get; init; }

    /// <summary>Scores are held within plus and minus this by a hyperbolic tangent; null for no bound.</summary>
    public double? ScoreCap { get; init; }

    /// <summary>The same of the logits.</summary>
    public double? LogitCap { get; init; }

    /// <summary>Whether embeddings are multiplied with the square root of their width.</summary>
    public bool ScalesEmbedding { get; init; }

    /// <summary>Rotary positions; null for none.</summary>
    public RopeSpec? Rope { get; init; }

    /// <summary>Those of layers with a window; null where they are the same.</summary>
    public RopeSpec? WindowRope { get; init; }

    /// <summary>Keys that a query of each layer sees, itself included; null for all before it.</summary>
    public required IReadOnlyList<int?> Windows { get; init; }

    /// <summary>Row of the embedding that learns nothing as an input; null for none.</summary>
    public int? PaddingRow { get; init; }

    public double InitializerRange { get; init; } = 0.02;

    /// <summary>Rotation of a layer.</summary>
    public RopeSpec? RopeOf(int layer) => Windows[layer] is null ? Rope : WindowRope ?? Rope;

    /// <summary>
    /// Whether the rotation of a sequence's first tokens changes when it grows so far: what was computed of it is then of no use.
    /// </summary>
    public bool Restretches(long from, long to) => Rope?.Scaling.Changes(from, to) == true || WindowRope?.Scaling.Changes(from, to) == true;

    /// <inheritdoc/>
    protected override void Write(JsonObject json)
    {
        // GPT-J has one rotation and no spelling for another.
        if (Rope is { Interleaved: false })
            ConfigSpelling.Both(json);
    }
}
