using DfPO.Models.Layers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Models.Gptj;

/// <summary>GPT-J with its untied, biased language-model head. Parameter names are PyTorch's.</summary>
/// <remarks>Source: Wang and Komatsuzaki 2021; layout and names as in HF's <c>GPTJForCausalLM</c>. Dropout is off.</remarks>
public sealed class GptjForCausalLM : CausalLM
{
    private readonly GptjConfig _config;
    private readonly GptjModel transformer;
    private readonly AutocastLinear lm_head;

    /// <summary>Builds the model with uninitialised weights: load a checkpoint into it or call <see cref="Initialise"/>.</summary>
    public GptjForCausalLM(GptjConfig config, Device? device = null, ScalarType dtype = ScalarType.Float32) : base(nameof(GptjForCausalLM), config)
    {
        _config = config;
        transformer = new GptjModel(config, Precision, device ?? CPU, dtype);
        lm_head = new AutocastLinear(config.NEmbd, config.VocabSize, hasBias: true, Precision, device ?? CPU, dtype);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override string Architecture => "GPTJForCausalLM";

    /// <inheritdoc/>
    public override Tensor Hidden(Tensor inputIds, Tensor? attentionMask = null, KeyValueCache? cache = null, Tensor? positionIds = null) =>
        transformer.Forward(inputIds, attentionMask, cache, positionIds);

    /// <inheritdoc/>
    public override Tensor Head(Tensor hidden) => lm_head.call(hidden);

    /// <inheritdoc/>
    public override KeyValueCache CreateCache(long batch, long capacity) =>
        new(_config.NLayer, batch, _config.NHead, capacity, _config.HeadSize, Precision.MatmulDtype ?? lm_head.weight.dtype, lm_head.weight.device);

    /// <inheritdoc/>
    public override void Initialise(ulong seed) => FreshWeights.Draw(this, seed, (name, _) => name.Contains("ln_") ? null : _config.InitializerRange);
}

/// <summary>The GPT-J body: embedding, blocks and the final layer norm.</summary>
internal sealed class GptjModel : nn.Module
{
    private readonly GptjConfig _config;
    private readonly ComputePrecision _precision;
    private readonly RotaryEmbedding _rotary;
    private readonly Embedding wte;
    private readonly ModuleList<GptjBlock> h;
    private readonly LayerNorm ln_f;

    public GptjModel(GptjConfig config, ComputePrecision precision, Device device, ScalarType dtype) : base(nameof(GptjModel))
    {
        (_config, _precision) = (config, precision);
        _rotary = new RotaryEmbedding(RotaryEmbedding.Frequencies(config.RotaryDim, theta: 10000), interleaved: true);
        wte = nn.Embedding(config.VocabSize, config.NEmbd, device: device, dtype: dtype);
        h = nn.ModuleList([.. Enumerable.Range(0, config.NLayer).Select(layer => new GptjBlock(config, layer, precision, device, dtype))]);
        ln_f = nn.LayerNorm(config.NEmbd, config.LayerNormEpsilon, device: device, dtype: dtype);
        RegisterComponents();
    }

    public Tensor Forward(Tensor inputIds, Tensor? attentionMask, KeyValueCache? cache, Tensor? positionIds)
    {
        using var scope = NewDisposeScope();
        long past = cache?.Length ?? 0, time = inputIds.size(1);
        _config.RequireRoom(past + time);
        var hidden = wte.call(inputIds);
        var rotation = _rotary.At(positionIds ?? CausalMask.Positions(attentionMask, past, time, inputIds.device));
        var mask = CausalMask.Additive(attentionMask, past, time, _precision.MatmulDtype ?? hidden.dtype, inputIds.device);
        foreach (var block in h)
            hidden = Recomputation.Run(_precision, x => block.Forward(x[0]!, x[1], rotation with { Cosine = x[2]!, Sine = x[3]! }, cache), hidden, mask, rotation.Cosine, rotation.Sine);
        cache?.Advance(time);
        return ln_f.call(hidden).MoveToOuterDisposeScope();
    }
}
