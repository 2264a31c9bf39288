using DfPO.Models.Layers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Models.Llama;

/// <summary>A Llama with its language-model head, tied to the embedding or not. Parameter names are PyTorch's.</summary>
/// <remarks>Source: Touvron et al. 2023; layout and names as in HF's <c>LlamaForCausalLM</c>.</remarks>
public sealed class LlamaForCausalLM : CausalLM
{
    private readonly LlamaConfig _config;
    private readonly LlamaModel model;
    private readonly AutocastLinear? lm_head;

    /// <summary>Builds the model with uninitialised weights: load a checkpoint into it or call <see cref="Initialise"/>.</summary>
    public LlamaForCausalLM(LlamaConfig config, Device? device = null, ScalarType dtype = ScalarType.Float32) : base(nameof(LlamaForCausalLM), config)
    {
        _config = config;
        model = new LlamaModel(config, Precision, device ?? CPU, dtype);
        if (!config.TieWordEmbeddings)
            lm_head = new AutocastLinear(config.Width, config.VocabSize, hasBias: false, Precision, device ?? CPU, dtype);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override string Architecture => "LlamaForCausalLM";

    /// <inheritdoc/>
    public override Tensor Hidden(Tensor inputIds, Tensor? attentionMask = null, KeyValueCache? cache = null, Tensor? positionIds = null) =>
        model.Forward(inputIds, attentionMask, cache, positionIds);

    /// <inheritdoc/>
    public override Tensor Head(Tensor hidden)
    {
        if (lm_head is not null)
            return lm_head.call(hidden);
        using var scope = NewDisposeScope();
        return nn.functional.linear(Precision.Cast(hidden), Precision.Cast(model.embed_tokens.weight!)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override KeyValueCache CreateCache(long batch, long capacity)
    {
        using var weight = model.embed_tokens.weight!;
        return new KeyValueCache(_config.Layers, batch, _config.KeyValueHeads, capacity, _config.HeadSize, Precision.MatmulDtype ?? weight.dtype, weight.device);
    }

    /// <inheritdoc/>
    public override void Initialise(ulong seed) => FreshWeights.Draw(this, seed, (name, _) => name.Contains("norm") ? null : _config.InitializerRange);
}

/// <summary>The Llama body: embedding, blocks and the final norm.</summary>
internal sealed class LlamaModel : nn.Module
{
    private readonly LlamaConfig _config;
    private readonly ComputePrecision _precision;
    private readonly RotaryEmbedding _rotary;
    internal readonly Embedding embed_tokens;
    private readonly ModuleList<LlamaBlock> layers;
    private readonly RmsNorm norm;

    public LlamaModel(LlamaConfig config, ComputePrecision precision, Device device, ScalarType dtype) : base(nameof(LlamaModel))
    {
        (_config, _precision) = (config, precision);
        var frequencies = RotaryEmbedding.Frequencies(config.HeadSize, config.RopeTheta);
        _rotary = new RotaryEmbedding(config.RopeScaling?.Apply(frequencies) ?? frequencies, interleaved: false);
        embed_tokens = nn.Embedding(config.VocabSize, config.Width, device: device, dtype: dtype);
        layers = nn.ModuleList([.. Enumerable.Range(0, config.Layers).Select(layer => new LlamaBlock(config, layer, precision, device, dtype))]);
        norm = new RmsNorm(config.Width, config.RmsNormEpsilon, device, dtype);
        RegisterComponents();
    }

    public Tensor Forward(Tensor inputIds, Tensor? attentionMask, KeyValueCache? cache, Tensor? positionIds)
    {
        using var scope = NewDisposeScope();
        long past = cache?.Length ?? 0, time = inputIds.size(1);
        _config.RequireRoom(past + time);
        var hidden = embed_tokens.call(inputIds);
        var rotation = _rotary.At(positionIds ?? CausalMask.Positions(attentionMask, past, time, inputIds.device));
        var mask = CausalMask.Additive(attentionMask, past, time, _precision.MatmulDtype ?? hidden.dtype, inputIds.device);
        foreach (var block in layers)
            hidden = Recomputation.Run(_precision, x => block.Forward(x[0]!, x[1], rotation with { Cosine = x[2]!, Sine = x[3]! }, cache), hidden, mask, rotation.Cosine, rotation.Sine);
        cache?.Advance(time);
        return norm.call(hidden).MoveToOuterDisposeScope();
    }
}
