using DfPO.Models.Layers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Models.Gpt2;

/// <summary>
/// The GPT-2 body: embeddings, blocks and the final layer norm. Parameter names are PyTorch's (<c>wte</c>, <c>h.0.attn.c_attn</c>, ...).
/// </summary>
/// <remarks>Source: Radford et al. 2019; layout and names as in HF's <c>GPT2Model</c>. Dropout is off, as in RL4LMs.</remarks>
public sealed class Gpt2Model : nn.Module
{
    private readonly Gpt2Config _config;
    private readonly ComputePrecision _precision;
    internal readonly Embedding wte;
    private readonly Embedding wpe;
    private readonly ModuleList<Gpt2Block> h;
    private readonly LayerNorm ln_f;

    internal Gpt2Model(Gpt2Config config, ComputePrecision precision, Device device, ScalarType dtype)
        : base(nameof(Gpt2Model))
    {
        (_config, _precision) = (config, precision);
        wte = nn.Embedding(config.VocabSize, config.NEmbd, device: device, dtype: dtype);
        wpe = nn.Embedding(config.NPositions, config.NEmbd, device: device, dtype: dtype);
        h = nn.ModuleList([.. Enumerable.Range(0, config.NLayer).Select(layer => new Gpt2Block(config, layer, precision, device, dtype))]);
        ln_f = nn.LayerNorm(config.NEmbd, config.LayerNormEpsilon, device: device, dtype: dtype);
        RegisterComponents();
    }

    /// <summary>See <see cref="CausalLM.Hidden(Tensor, Tensor, KeyValueCache, Tensor)"/>.</summary>
    /// <exception cref="DfpoException"><c>model/too-long</c>: the sequence exceeds <c>n_positions</c>.</exception>
    public Tensor Forward(Tensor inputIds, Tensor? attentionMask, KeyValueCache? cache, Tensor? positionIds)
    {
        using var scope = NewDisposeScope();
        long past = cache?.Length ?? 0,
            time = inputIds.size(1);
        _config.RequireRoom(past + time);
        positionIds ??= CausalMask.Positions(attentionMask, past, time, inputIds.device);
        var hidden = wte.call(inputIds).Plus(wpe.call(positionIds));
        var mask = CausalMask.Additive(attentionMask, past, time, _precision.MatmulDtype ?? hidden.dtype, inputIds.device);
        foreach (var block in h)
            hidden = Recomputation.Run(_precision, x => block.Forward(x[0]!, x[1], cache), hidden, mask);
        cache?.Advance(time);
        return ln_f.call(hidden).MoveToOuterDisposeScope();
    }

    internal IEnumerable<Gpt2Block> Blocks => h;

    internal LayerNorm FinalNorm => ln_f;

    /// <summary>Sum of token and position embeddings, of any one shape.</summary>
    internal Tensor Embed(Tensor ids, Tensor positions)
    {
        using var scope = NewDisposeScope();
        return wte.call(ids).Plus(wpe.call(positions)).MoveToOuterDisposeScope();
    }

    /// <summary>Fresh weights as GPT-2 draws them: normal, residual projections scaled down by the number of residual additions.</summary>
    internal void Initialise(Generator generator)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        foreach (var (name, parameter) in named_parameters())
        {
            if (name.EndsWith(".bias"))
                parameter.zero_();
            else if (name.Contains("ln_"))
                parameter.Fill(1);
            else
            {
                var std = name.EndsWith("c_proj.weight")
                    ? _config.InitializerRange / Math.Sqrt(2 * _config.NLayer)
                    : _config.InitializerRange;
                var drawn = randn(parameter.shape, generator: generator).Times(std);
                parameter.copy_(drawn);
            }
        }
    }
}
