using DfPO.Models.Decoding;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models;

/// <summary>A decoder-only language model: what rollout, learner and rewards need to know of any architecture.</summary>
/// <param name="name">Module name.</param>
public abstract class CausalLM(string name) : nn.Module(name)
{
    /// <summary>Rows of the embedding and columns of the logits.</summary>
    public abstract int VocabularySize { get; }

    /// <summary>Longest sequence, in tokens.</summary>
    public abstract int MaxPositions { get; }

    /// <summary>Width of the hidden states.</summary>
    public abstract int HiddenSize { get; }

    /// <summary>Id that ends a text, from the model's configuration.</summary>
    public abstract int? EosTokenId { get; }

    /// <summary>Matrix-product precision; see <see cref="ComputePrecision"/>.</summary>
    public ComputePrecision Precision { get; } = new();

    /// <summary>Hidden states after the final layer norm.</summary>
    /// <param name="inputIds">Token ids <c>[batch, time]</c>, int64.</param>
    /// <param name="attentionMask">
    /// <c>[batch, past + time]</c>, 1 for real tokens and 0 for padding (left, right or none); null when nothing is padded. Right-padded
    /// teacher-forced batches need none: a causal model never looks at what follows.
    /// </param>
    /// <param name="cache">Keys and values of the tokens before; they are appended to. Null for a pass over whole sequences.</param>
    /// <param name="positionIds"><c>[batch, time]</c>; null derives them from the mask (padding does not count) or from the cache's length.</param>
    /// <returns><c>[batch, time, hidden]</c>.</returns>
    public abstract Tensor Hidden(Tensor inputIds, Tensor? attentionMask = null, KeyValueCache? cache = null, Tensor? positionIds = null);

    /// <summary>Scores over the vocabulary of hidden states <c>[..., hidden]</c>: <c>[..., vocabulary]</c>.</summary>
    public abstract Tensor Head(Tensor hidden);

    /// <summary>An empty cache for <paramref name="batch"/> sequences of up to <paramref name="capacity"/> tokens, in the model's compute dtype and on its device.</summary>
    public abstract KeyValueCache CreateCache(long batch, long capacity);

    /// <summary>Makes the model ready to decode. Its weights must not change while the decoder is in use.</summary>
    public virtual Decoder CreateDecoder() => new CachedDecoder(this, parameters().First().device);

    /// <summary>Logits <c>[batch, time, vocabulary]</c>; see <see cref="Hidden"/> for the arguments.</summary>
    public Tensor Logits(Tensor inputIds, Tensor? attentionMask = null, KeyValueCache? cache = null, Tensor? positionIds = null)
    {
        using var hidden = Hidden(inputIds, attentionMask, cache, positionIds);
        return Head(hidden);
    }
}
