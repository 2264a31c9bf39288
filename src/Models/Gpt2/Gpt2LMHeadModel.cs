using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Models.Gpt2;

/// <summary>GPT-2 with a language-model head, tied to the embedding or not.</summary>
public sealed class Gpt2LMHeadModel : CausalLM
{
    private readonly Gpt2Model transformer;
    private readonly Linear? lm_head;

    /// <summary>Builds the model with uninitialised weights: load a checkpoint into it or call <see cref="Initialise"/>.</summary>
    public Gpt2LMHeadModel(Gpt2Config config, Device? device = null, ScalarType dtype = ScalarType.Float32) : base(nameof(Gpt2LMHeadModel))
    {
        Config = config;
        transformer = new Gpt2Model(config, Precision, device ?? CPU, dtype);
        if (!config.TieWordEmbeddings)
            lm_head = nn.Linear(config.NEmbd, config.VocabSize, hasBias: false, device: device ?? CPU, dtype: dtype);
        RegisterComponents();
    }

    /// <summary>Shape of the model.</summary>
    public Gpt2Config Config { get; }

    /// <inheritdoc/>
    public override int VocabularySize => Config.VocabSize;

    /// <inheritdoc/>
    public override int MaxPositions => Config.NPositions;

    /// <inheritdoc/>
    public override int HiddenSize => Config.NEmbd;

    /// <inheritdoc/>
    public override int? EosTokenId => Config.EosTokenId;

    /// <inheritdoc/>
    public override Tensor Hidden(Tensor inputIds, Tensor? attentionMask = null, KeyValueCache? cache = null, Tensor? positionIds = null) =>
        transformer.Forward(inputIds, attentionMask, cache, positionIds);

    /// <inheritdoc/>
    public override Tensor Head(Tensor hidden)
    {
        using var scope = NewDisposeScope();
        var weight = lm_head is null ? transformer.wte.weight! : lm_head.weight!;
        return nn.functional.linear(Precision.Cast(hidden), Precision.Cast(weight)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override KeyValueCache CreateCache(long batch, long capacity)
    {
        // The property makes a new handle each time.
        using var weight = transformer.wte.weight!;
        return new KeyValueCache(Config.NLayer, batch, Config.NHead, capacity, Config.HeadSize, Precision.MatmulDtype ?? weight.dtype, weight.device);
    }

    /// <summary>Draws fresh weights from a seed.</summary>
    public void Initialise(ulong seed)
    {
        using var generator = new Generator(seed);
        transformer.Initialise(generator);
        if (lm_head is null)
            return;
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var drawn = randn(lm_head.weight!.shape, generator: generator) * Config.InitializerRange;
        lm_head.weight!.copy_(drawn);
    }
}
