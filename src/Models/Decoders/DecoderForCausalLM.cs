using DfPO.Models.Decoding;
using DfPO.Models.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Decoders;

/// <summary>A decoder of any family with its language-model head, tied to the embedding or not. Parameter names are PyTorch's.</summary>
/// <remarks>
/// Layout and names as in HF's <c>...ForCausalLM</c>. Dropout is off. Where the rotation depends on a sequence's length (dynamic NTK,
/// LongRoPE), every row has the rotation of its own length, and decoding follows passes without a cache: what was computed of a text is
/// computed anew when the rotation of its first tokens changes. HF's <c>generate</c> with a cache keeps the old keys there, and gives other
/// tokens with it than without.
/// </remarks>
public sealed class DecoderForCausalLM : CausalLM
{
    private readonly DecoderConfig _config;
    private readonly DecoderBody _body;
    private readonly AutocastLinear? _head;
    private readonly Lock _packing = new();
    private PackedWeights? _packed;
    private (ulong Weights, ScalarType Dtype) _packedFrom;

    internal DecoderForCausalLM(DecoderConfig config, Device? device, ScalarType dtype)
        : base(config.Architecture, config)
    {
        _config = config;
        // Before any field holds a module: they are registered under the family's names.
        RegisterComponents();
        _body = NamedModules.Register(this, config.Names.Body, new DecoderBody(config, Precision, device ?? CPU, dtype));
        if (!config.TieWordEmbeddings)
            _head = NamedModules.Register(
                this,
                config.Names.Head,
                new AutocastLinear(config.EmbeddingWidth, config.VocabSize, config.HeadBias, Precision, device ?? CPU, dtype)
            );
    }

    /// <inheritdoc/>
    public override string Architecture => _config.Architecture;

    internal DecoderBody Body => _body;

    /// <inheritdoc/>
    public override Tensor Hidden(Tensor inputIds, Tensor? attentionMask = null, KeyValueCache? cache = null, Tensor? positionIds = null) =>
        _body.Forward(inputIds, attentionMask, cache, positionIds, lengths: null);

    /// <inheritdoc/>
    public override Tensor Hidden(ModelInput input) => _body.Forward(input.InputIds, null, null, null, input.Lengths);

    /// <inheritdoc/>
    public override Tensor Head(Tensor hidden)
    {
        using var scope = NewDisposeScope();
        var logits =
            _head is not null ? _head.call(hidden)
            : PackedWeights.Of(_body.Embedding) is { } packed ? packed.Forward(Precision.Cast(hidden))
            : nn.functional.linear(Precision.Cast(hidden), Precision.Cast(_body.Embedding.weight!));
        return Capped(logits).MoveToOuterDisposeScope();
    }

    /// <summary>Logits within the bound of the family, if it has one.</summary>
    internal Tensor Capped(Tensor logits) => _config.LogitCap is { } cap ? logits.Times(1 / cap).tanh().Times(cap) : logits;

    /// <inheritdoc/>
    public override KeyValueCache CreateCache(long batch, long capacity)
    {
        using var weight = _body.Embedding.weight!;
        return new KeyValueCache(
            _config.Layers,
            batch,
            _config.KeyValueHeads,
            capacity,
            _config.HeadSize,
            Precision.MatmulDtype ?? weight.dtype,
            weight.device,
            _config.Windows
        );
    }

    /// <inheritdoc/>
    /// <remarks>
    /// On a CPU the weights are laid out anew when they have changed since the last call; decoders of before must not be in use then.
    /// </remarks>
    public override Decoder CreateDecoder() => DecoderOver(this);

    /// <inheritdoc/>
    internal override Decoder CreateDecoderBeside(LanguageModel reference) => DecoderOver((DecoderForCausalLM)reference);

    private CachedDecoder DecoderOver(DecoderForCausalLM owner)
    {
        using var table = _body.Embedding.weight!;
        return new CachedDecoder(this, table.device, owner.Packed()?.For(this));
    }

    /// <summary>Weights laid out for decoding on a CPU; null where that cannot be.</summary>
    private PackedWeights? Packed()
    {
        using var table = _body.Embedding.weight!;
        var dtype = Precision.MatmulDtype ?? table.dtype;
        if (table.device.type != DeviceType.CPU || dtype is not (ScalarType.Float32 or ScalarType.BFloat16) || !PackedLinear.IsSupported)
            return null;
        lock (_packing)
        {
            var source = (WeightFingerprint.Of(this), dtype);
            if (_packed is null || source != _packedFrom)
            {
                _packed?.Dispose();
                _packed = new PackedWeights(this, _head is null ? $"{_config.Names.Body}.{_config.Names.Embedding}" : null, dtype);
                _packedFrom = source;
            }
            return _packed;
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        _packed?.Dispose();
        _packed = null;
        base.Dispose(disposing);
    }

    /// <inheritdoc/>
    internal override bool Restretches(long from, long to) => _config.Restretches(from, to);

    /// <inheritdoc/>
    public override void Initialise(ulong seed) => Draw(this, _config, seed);

    /// <summary>Draws fresh weights for whatever stands on the body of a family.</summary>
    internal static void Draw(nn.Module model, DecoderConfig config, ulong seed) =>
        FreshWeights.Draw(model, seed, (name, _) => FreshWeights.IsNorm(name)
                ? config.Norm == NormKind.RmsPlusOne
                    ? 0
                    : null
                : config.InitializerRange);
}
