using DfPO.Models.Decoding;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models;

/// <summary>A decoder-only language model: prompt and continuation are one sequence.</summary>
/// <param name="name">Module name.</param>
/// <param name="config">Its configuration.</param>
public abstract class CausalLM(string name, ModelConfig config) : LanguageModel(name, config)
{
    /// <summary>Hidden states after the final norm.</summary>
    /// <param name="inputIds">Token ids <c>[batch, time]</c>, int64.</param>
    /// <param name="attentionMask">
    /// <c>[batch, past + time]</c>, 1 for real tokens and 0 for padding (left, right or none); null when nothing is padded. Right-padded
    /// teacher-forced batches need none: a causal model never looks at what follows.
    /// </param>
    /// <param name="cache">Keys and values of the tokens before; they are appended to. Null for a pass over whole sequences.</param>
    /// <param name="positionIds"><c>[batch, time]</c>; null derives them from the mask (padding does not count) or from the cache's
    /// length.</param>
    /// <returns><c>[batch, time, hidden]</c>.</returns>
    /// <exception cref="DfpoException"><c>model/too-long</c>: the sequence exceeds <see cref="LanguageModel.MaxPositions"/>.</exception>
    public abstract Tensor Hidden(Tensor inputIds, Tensor? attentionMask = null, KeyValueCache? cache = null, Tensor? positionIds = null);

    /// <summary>
    /// An empty cache for <paramref name="batch"/> sequences of up to <paramref name="capacity"/> tokens, in the model's compute dtype and
    /// on its device.
    /// </summary>
    public abstract KeyValueCache CreateCache(long batch, long capacity);

    /// <summary>
    /// Whether what was computed of a sequence of so many tokens is of no use for one of so many more, as its rotation depends on its
    /// length.
    /// </summary>
    internal virtual bool Restretches(long from, long to) => false;

    /// <inheritdoc/>
    public override int[] DecoderPrompt(int[] prompt) => prompt;

    /// <inheritdoc/>
    public override ModelInput Input(Tensor inputIds, IReadOnlyList<int[]> prompts) => new(inputIds);

    /// <inheritdoc/>
    public override Tensor Hidden(ModelInput input) => Hidden(input.InputIds);

    /// <inheritdoc/>
    public override Decoder CreateDecoder() => new CachedDecoder(this, parameters().First().device);

    /// <summary>
    /// Logits <c>[batch, time, vocabulary]</c>; see <see cref="Hidden(Tensor, Tensor, KeyValueCache, Tensor)"/> for the arguments.
    /// </summary>
    public Tensor Logits(Tensor inputIds, Tensor? attentionMask = null, KeyValueCache? cache = null, Tensor? positionIds = null)
    {
        using var hidden = Hidden(inputIds, attentionMask, cache, positionIds);
        return Head(hidden);
    }
}
