using DfPO.Models.Decoding;
using DfPO.Models.Lora;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DfPO.Models;

/// <summary>
/// A language model of any architecture, decoder-only or encoder-decoder: what rollout, learner and rewards need to know of it.
/// </summary>
/// <param name="name">Module name.</param>
/// <param name="config">Its configuration.</param>
public abstract class LanguageModel(string name, ModelConfig config) : nn.Module(name), IPretrainedModel
{
    /// <summary>
    /// A model of a configuration, with uninitialised weights: load a checkpoint into it or call <see cref="Initialise"/>.
    /// </summary>
    /// <param name="config">Of any known architecture.</param>
    /// <param name="device">Where its parameters live; CPU when null.</param>
    /// <param name="dtype">Their dtype.</param>
    public static LanguageModel Create(ModelConfig config, Device? device = null, ScalarType dtype = ScalarType.Float32) =>
        Architectures.Build(config, device, dtype);

    private readonly PairedTwin _pairedTwin = new();

    // Not virtual: TorchSharp finds a module's properties by name, and an override of another type would stand there twice.
    /// <inheritdoc/>
    public ModelConfig Config { get; } = config;

    /// <inheritdoc/>
    public abstract string Architecture { get; }

    /// <summary>Rows of the embedding and columns of the logits.</summary>
    public int VocabularySize => Config.VocabSize;

    /// <summary>Longest sequence, in tokens; <see cref="int.MaxValue"/> where positions are relative.</summary>
    public int MaxPositions => Config.MaxPositions;

    /// <summary>Width of the hidden states that <see cref="Head"/> takes.</summary>
    public int HiddenSize => Config.OutputSize;

    /// <summary>Matrix-product precision; see <see cref="ComputePrecision"/>.</summary>
    public ComputePrecision Precision { get; } = new();

    /// <summary>
    /// The adapters that stand beside its layers; null for none. They are the caller's, and no part of <c>named_parameters</c>.
    /// </summary>
    public LoraAdapters? Adapters { get; internal set; }

    /// <summary>One object for all models over the same weights in memory.</summary>
    internal object WeightsIdentity { get; set; } = new();

    /// <summary>
    /// The parameters that learning changes: all, or where there are adapters theirs and what they hold in place of the model's own.
    /// </summary>
    public IEnumerable<(string name, Parameter parameter)> TrainedParameters() =>
        Adapters is null
            ? named_parameters()
            : Adapters.named_parameters().Concat(named_parameters()).Where(p => p.parameter.requires_grad);

    /// <summary>
    /// What stands before a continuation in the sequence that it continues: the prompt itself, or a decoder's start token.
    /// </summary>
    public abstract int[] DecoderPrompt(int[] prompt);

    /// <summary>The input of a pass over sequences that begin with <see cref="DecoderPrompt"/>.</summary>
    /// <param name="inputIds">The sequences, right-padded: <c>[batch, time]</c>, int64.</param>
    /// <param name="prompts">Their prompts, in the same order.</param>
    public abstract ModelInput Input(Tensor inputIds, IReadOnlyList<int[]> prompts);

    /// <summary>
    /// Hidden states <c>[batch, time, hidden]</c> of whole sequences after the final norm, as <see cref="Head"/> takes them.
    /// </summary>
    public abstract Tensor Hidden(ModelInput input);

    /// <summary>Scores over the vocabulary of hidden states <c>[..., hidden]</c>: <c>[..., vocabulary]</c>.</summary>
    public abstract Tensor Head(Tensor hidden);

    /// <summary>Makes the model ready to decode. Its weights must not change while the decoder is in use.</summary>
    public abstract Decoder CreateDecoder();

    /// <summary>
    /// The same for a model whose adapters stand beside the weights of <paramref name="reference"/> (<see cref="SharedWeights.AreOne"/>),
    /// with the adapters as terms of their own.
    /// </summary>
    internal virtual Decoder CreateDecoderBeside(LanguageModel reference) => CreateDecoder();

    /// <summary>This model with adapters that work on the first half of every batch; it remains this one's.</summary>
    internal LanguageModel Paired() => _pairedTwin.Of(this);

    /// <summary>Draws fresh weights from a seed.</summary>
    public abstract void Initialise(ulong seed);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _pairedTwin.Dispose();
        base.Dispose(disposing);
    }
}
