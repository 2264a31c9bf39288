using DfPO.Models.Decoding;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models;

/// <summary>An encoder-decoder language model: the prompt goes to the encoder, the continuation to the decoder.</summary>
/// <param name="name">Module name.</param>
/// <param name="config">Its configuration.</param>
public abstract class EncoderDecoderLM(string name, ModelConfig config) : LanguageModel(name, config)
{
    /// <summary>The token that every decoder sequence begins with.</summary>
    public abstract int DecoderStartTokenId { get; }

    /// <summary>The encoder's hidden states after its final norm.</summary>
    /// <param name="inputIds">Prompts <c>[batch, time]</c>, int64.</param>
    /// <param name="attentionMask"><c>[batch, time]</c>, 1 for real tokens and 0 for padding; null when nothing is padded.</param>
    /// <returns><c>[batch, time, hidden]</c>; at padding it means nothing.</returns>
    public abstract Tensor Encode(Tensor inputIds, Tensor? attentionMask = null);

    /// <summary>What every decoder layer needs of the encoder's output, computed once for all decoding steps.</summary>
    /// <param name="encoded">Output of <see cref="Encode"/>.</param>
    /// <param name="attentionMask">The mask given there.</param>
    public abstract EncoderMemory Remember(Tensor encoded, Tensor? attentionMask = null);

    /// <summary>The decoder's hidden states, as <see cref="LanguageModel.Head"/> takes them.</summary>
    /// <param name="inputIds">Token ids <c>[batch, time]</c>, int64; right-padded or not, a decoder never looks at what follows.</param>
    /// <param name="memory">Of the encoder.</param>
    /// <param name="cache">Keys and values of the decoder's tokens before; they are appended to. Null for a pass over whole
    /// sequences.</param>
    /// <returns><c>[batch, time, hidden]</c>.</returns>
    public abstract Tensor DecoderHidden(Tensor inputIds, EncoderMemory memory, KeyValueCache? cache = null);

    /// <summary>An empty cache of the decoder for <paramref name="batch"/> sequences of up to <paramref name="capacity"/> tokens.</summary>
    public abstract KeyValueCache CreateCache(long batch, long capacity);

    /// <inheritdoc/>
    public override int[] DecoderPrompt(int[] prompt) => [DecoderStartTokenId];

    /// <inheritdoc/>
    public override ModelInput Input(Tensor inputIds, IReadOnlyList<int[]> prompts)
    {
        var (ids, mask) = RightPadding.Of(prompts, inputIds.device);
        return new ModelInput(inputIds, ids, mask);
    }

    /// <inheritdoc/>
    public override Tensor Hidden(ModelInput input)
    {
        using var scope = NewDisposeScope();
        var encoded = Encode(
            input.EncoderIds ?? throw new ArgumentException("An encoder-decoder model needs the encoder's input.", nameof(input)),
            input.EncoderMask
        );
        return DecoderHidden(input.InputIds, Remember(encoded, input.EncoderMask)).MoveToOuterDisposeScope();
    }

    /// <summary>Logits <c>[batch, time, vocabulary]</c> of whole sequences.</summary>
    public Tensor Logits(ModelInput input)
    {
        using var hidden = Hidden(input);
        return Head(hidden);
    }

    /// <inheritdoc/>
    public override Decoder CreateDecoder() => new EncoderDecoderDecoder(this, parameters().First().device);
}
