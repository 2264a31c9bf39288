using DfPO.Models.Layers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Models.Classifiers;

/// <summary>The body of BERT, RoBERTa or DistilBERT: embeddings and layers.</summary>
/// <remarks>Sources: Devlin et al. 2019, Liu et al. 2019, Sanh et al. 2019; layout and names as in HF's models. Dropout is off.</remarks>
internal sealed class EncoderModel : NamedModules
{
    private readonly EncoderConfig _config;
    private readonly ComputePrecision _precision;
    private readonly Embedding _words,
        _positions;
    private readonly Embedding? _types;
    private readonly LayerNorm _norm;
    private readonly EncoderLayer[] _layers;

    public EncoderModel(EncoderConfig config, EncoderNames names, ComputePrecision precision, Device device, ScalarType dtype)
        : base(nameof(EncoderModel))
    {
        (_config, _precision) = (config, precision);
        Embedding Embed(string name, long rows, long? padding = null) =>
            Add("embeddings." + name, nn.Embedding(rows, config.HiddenSize, padding, device: device, dtype: dtype));
        _words = Embed("word_embeddings", config.VocabSize, config.PadTokenId);
        _positions = Embed("position_embeddings", config.MaxPositionEmbeddings, CountsFromPadding ? config.PadTokenId : null);
        _types = config.TypeVocabSize > 0 ? Embed("token_type_embeddings", config.TypeVocabSize) : null;
        _norm = Add("embeddings.LayerNorm", nn.LayerNorm(config.HiddenSize, config.LayerNormEps, device: device, dtype: dtype));
        _layers =
        [
            .. Enumerable
                .Range(0, config.NumHiddenLayers)
                .Select(layer => Add($"{names.Layers}.{layer}", new EncoderLayer(config, names, precision, device, dtype))),
        ];
    }

    private bool CountsFromPadding => _config.ModelType == "roberta";

    /// <summary>Hidden states <c>[batch, time, width]</c>.</summary>
    /// <param name="inputIds">Token ids <c>[batch, time]</c>, int64.</param>
    /// <param name="attentionMask"><c>[batch, time]</c>, 1 for real tokens; null when nothing is padded.</param>
    /// <param name="tokenTypeIds"><c>[batch, time]</c>, int64; null for all 0.</param>
    /// <param name="layers">Layers to go through; all when null.</param>
    /// <exception cref="DfpoException"><c>model/too-long</c>.</exception>
    public Tensor Forward(Tensor inputIds, Tensor? attentionMask, Tensor? tokenTypeIds, int? layers = null)
    {
        using var scope = NewDisposeScope();
        var hidden = Embed(inputIds, tokenTypeIds);
        var mask = attentionMask is null ? null : Mask(attentionMask, _precision.MatmulDtype ?? hidden.dtype);
        foreach (var layer in _layers.AsSpan(0, layers ?? _layers.Length))
            hidden = layer.Forward(hidden, mask);
        return hidden.MoveToOuterDisposeScope();
    }

    /// <summary>What the first layer sees; see <see cref="Forward"/>.</summary>
    public Tensor Embed(Tensor inputIds, Tensor? tokenTypeIds)
    {
        using var scope = NewDisposeScope();
        var time = inputIds.size(1);
        if (time > _config.MaxTokens)
            throw new DfpoException(
                "model/too-long",
                $"A text of {time} tokens does not fit the classifier's {_config.MaxTokens} positions: cut it."
            );
        var hidden = _words.call(inputIds).Plus(_positions.call(Positions(inputIds)));
        if (_types is not null)
            hidden = hidden.Plus(tokenTypeIds is null ? _types.weight![0] : _types.call(tokenTypeIds));
        return _norm.call(hidden).MoveToOuterDisposeScope();
    }

    /// <summary>0, 1, ...; RoBERTa counts its real tokens from behind its padding id, wherever the padding stands.</summary>
    private Tensor Positions(Tensor inputIds)
    {
        if (!CountsFromPadding)
            return Arithmetic.Range(inputIds.size(1), device: inputIds.device).unsqueeze(0);
        var real = inputIds.Is(_config.PadTokenId).logical_not().to(ScalarType.Int64);
        return (real.cumsum(1) * real).Plus(_config.PadTokenId);
    }

    // The most negative finite number instead of -inf, as in HF: a row of nothing but padding must not become NaN.
    private static Tensor Mask(Tensor attentionMask, ScalarType dtype) =>
        zeros([attentionMask.size(0), 1, 1, attentionMask.size(1)], dtype, attentionMask.device)
            .Filled(attentionMask.Is(0).view(-1, 1, 1, attentionMask.size(1)), dtype == ScalarType.Float16 ? -65504.0 : -3e38);
}
