using DfPO.Models.Decoding;
using DfPO.Models.Layers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Models.Gpt2;

/// <summary>GPT-2 with a language-model head, tied to the embedding or not.</summary>
public sealed class Gpt2LMHeadModel : CausalLM
{
    private readonly Gpt2Config _config;
    private readonly Gpt2Model transformer;
    private readonly AutocastLinear? lm_head;
    private readonly Lock _packing = new();
    private Gpt2PackedWeights? _packed;
    private (ulong Weights, ScalarType Dtype) _packedFrom;

    /// <summary>Builds the model with uninitialised weights: load a checkpoint into it or call <see cref="Initialise"/>.</summary>
    public Gpt2LMHeadModel(Gpt2Config config, Device? device = null, ScalarType dtype = ScalarType.Float32)
        : base(nameof(Gpt2LMHeadModel), config)
    {
        _config = config;
        transformer = new Gpt2Model(config, Precision, device ?? CPU, dtype);
        if (!config.TieWordEmbeddings)
            lm_head = new AutocastLinear(config.NEmbd, config.VocabSize, hasBias: false, Precision, device ?? CPU, dtype);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override string Architecture => "GPT2LMHeadModel";

    /// <inheritdoc/>
    public override Tensor Hidden(Tensor inputIds, Tensor? attentionMask = null, KeyValueCache? cache = null, Tensor? positionIds = null) =>
        transformer.Forward(inputIds, attentionMask, cache, positionIds);

    /// <inheritdoc/>
    public override Tensor Head(Tensor hidden)
    {
        if (lm_head is not null)
            return lm_head.call(hidden);
        using var scope = NewDisposeScope();
        return nn.functional.linear(Precision.Cast(hidden), Precision.Cast(transformer.wte.weight!)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override KeyValueCache CreateCache(long batch, long capacity)
    {
        // The property makes a new handle each time.
        using var weight = transformer.wte.weight!;
        return new KeyValueCache(
            _config.NLayer,
            batch,
            _config.NHead,
            capacity,
            _config.HeadSize,
            Precision.MatmulDtype ?? weight.dtype,
            weight.device
        );
    }

    /// <inheritdoc/>
    /// <remarks>
    /// On a CPU the weights are laid out anew when they have changed since the last call; decoders of before must not be in use then.
    /// </remarks>
    public override Decoder CreateDecoder() =>
        Packed() is { } packed ? new Gpt2CpuDecoder(this, _config, packed, adaptersArePacked: true) : base.CreateDecoder();

    /// <inheritdoc/>
    internal override Decoder CreateDecoderBeside(LanguageModel reference) =>
        lm_head?.Adapter is null && ((Gpt2LMHeadModel)reference).Packed() is { } packed
            ? new Gpt2CpuDecoder(this, _config, packed, adaptersArePacked: false)
            : base.CreateDecoderBeside(reference);

    internal IEnumerable<Gpt2Block> Blocks => transformer.Blocks;

    internal Tensor Embed(Tensor ids, Tensor positions) => transformer.Embed(ids, positions);

    /// <summary>Weights and adapters laid out for decoding on a CPU; null where that cannot be.</summary>
    private Gpt2PackedWeights? Packed()
    {
        using var embedding = transformer.wte.weight!;
        var dtype = Precision.MatmulDtype ?? embedding.dtype;
        var fits =
            embedding.device.type == DeviceType.CPU && dtype is ScalarType.Float32 or ScalarType.BFloat16 && _config.HeadSize % 16 == 0;
        if (!fits || !PackedLinear.IsSupported)
            return null;
        lock (_packing)
        {
            var weights = WeightFingerprint.Of(this) ^ (Adapters is null ? 0 : ulong.RotateLeft(WeightFingerprint.Of(Adapters), 1));
            var source = (weights, dtype);
            if (_packed is null || source != _packedFrom)
            {
                _packed?.Dispose();
                using var head = lm_head is null ? embedding.alias() : ((IProjection)lm_head).EffectiveWeight();
                _packed = new Gpt2PackedWeights(transformer, head, dtype);
                _packedFrom = source;
            }
            return _packed;
        }
    }

    /// <inheritdoc/>
    public override void Initialise(ulong seed)
    {
        using var generator = new Generator(seed);
        transformer.Initialise(generator);
        if (lm_head is null)
            return;
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var drawn = randn(lm_head.weight.shape, generator: generator).Times(_config.InitializerRange);
        lm_head.weight.copy_(drawn);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        _packed?.Dispose();
        _packed = null;
        base.Dispose(disposing);
    }
}
