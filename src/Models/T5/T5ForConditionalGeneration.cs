using DfPO.Models.Layers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Models.T5;

/// <summary>T5 1.0 (tied, scaled head) and 1.1 (gated feed-forward, untied head). Parameter names are PyTorch's.</summary>
/// <remarks>Source: Raffel et al. 2020; layout and names as in HF's class of the same name. Dropout is off.</remarks>
public sealed class T5ForConditionalGeneration : EncoderDecoderLM
{
    private readonly T5Config _config;
    private readonly Scalar _headScale;
    private readonly Embedding shared;
    private readonly T5Stack encoder;
    private readonly T5Stack decoder;
    private readonly AutocastLinear? lm_head;

    /// <summary>Builds the model with uninitialised weights: load a checkpoint into it or call <see cref="Initialise"/>.</summary>
    public T5ForConditionalGeneration(T5Config config, Device? device = null, ScalarType dtype = ScalarType.Float32)
        : base(nameof(T5ForConditionalGeneration), config)
    {
        (_config, _headScale) = (config, Arithmetic.Kept(Math.Pow(config.DModel, -0.5)));
        shared = nn.Embedding(config.VocabSize, config.DModel, device: device ?? CPU, dtype: dtype);
        encoder = new T5Stack(config, isDecoder: false, Precision, device ?? CPU, dtype);
        decoder = new T5Stack(config, isDecoder: true, Precision, device ?? CPU, dtype);
        if (!config.TieWordEmbeddings)
            lm_head = new AutocastLinear(config.DModel, config.VocabSize, hasBias: false, Precision, device ?? CPU, dtype);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override string Architecture => "T5ForConditionalGeneration";

    /// <inheritdoc/>
    public override int DecoderStartTokenId => _config.DecoderStartTokenId;

    /// <inheritdoc/>
    public override Tensor Encode(Tensor inputIds, Tensor? attentionMask = null)
    {
        using var scope = NewDisposeScope();
        var time = inputIds.size(1);
        var embedded = shared.call(inputIds);
        var bias = encoder.PositionBias(time, time).to(ComputeDtype(embedded));
        if (Padding(attentionMask, bias.dtype) is { } padding)
            bias = bias.Plus(padding);
        return encoder.Forward(embedded, bias, memory: null, cache: null).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override EncoderMemory Remember(Tensor encoded, Tensor? attentionMask = null)
    {
        using var scope = NewDisposeScope();
        var projected = decoder.Blocks.Select(block => block.CrossAttention.Project(encoded)).ToArray();
        Tensor[] Moved(Func<(Tensor Keys, Tensor Values), Tensor> part) =>
            Array.ConvertAll(projected, pair => part(pair).MoveToOuterDisposeScope());
        return new EncoderMemory(
            Moved(pair => pair.Keys),
            Moved(pair => pair.Values),
            Padding(attentionMask, projected[0].Keys.dtype)?.MoveToOuterDisposeScope()
        );
    }

    /// <inheritdoc/>
    public override Tensor DecoderHidden(Tensor inputIds, EncoderMemory memory, KeyValueCache? cache = null)
    {
        using var scope = NewDisposeScope();
        long past = cache?.Length ?? 0,
            time = inputIds.size(1);
        var embedded = shared.call(inputIds);
        var bias = decoder.PositionBias(time, past + time, past).to(ComputeDtype(embedded));
        if (time > 1)
            bias = bias.Plus(CausalMask.Penalty(CausalMask.Triangle(past, time, inputIds.device), bias.dtype));
        var hidden = decoder.Forward(embedded, bias, memory, cache);
        cache?.Advance(time);
        return hidden.MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override Tensor Head(Tensor hidden)
    {
        if (lm_head is not null)
            return lm_head.call(hidden);
        using var scope = NewDisposeScope();
        return nn.functional.linear(Precision.Cast(hidden.mul(_headScale)), Precision.Cast(shared.weight!)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override KeyValueCache CreateCache(long batch, long capacity)
    {
        using var weight = shared.weight!;
        return new KeyValueCache(
            _config.NumDecoderLayers,
            batch,
            _config.NumHeads,
            capacity,
            _config.DKv,
            ComputeDtype(weight),
            weight.device
        );
    }

    /// <inheritdoc/>
    public override void Initialise(ulong seed) => FreshWeights.Draw(this, seed, (name, shape) =>
        {
            // Each projection by its fan-in; queries carry the scale that attention lacks.
            double? std = name switch
            {
                _ when name.EndsWith("layer_norm.weight", StringComparison.Ordinal) => null,
                "shared.weight" or "lm_head.weight" => 1,
                _ when name.EndsWith("relative_attention_bias.weight", StringComparison.Ordinal) => Math.Pow(_config.DModel, -0.5),
                _ when name.EndsWith(".q.weight", StringComparison.Ordinal) => Math.Pow((double)_config.DModel * _config.DKv, -0.5),
                _ => Math.Pow(shape[1], -0.5),
            };
            return std * _config.InitializerFactor;
        });

    private ScalarType ComputeDtype(Tensor like) => Precision.MatmulDtype ?? like.dtype;

    private static Tensor? Padding(Tensor? attentionMask, ScalarType dtype)
    {
        if (attentionMask is null)
            return null;
        using var scope = NewDisposeScope();
        return CausalMask.Penalty(attentionMask.to(ScalarType.Bool).view(-1, 1, 1, attentionMask.size(1)), dtype).MoveToOuterDisposeScope();
    }
}
