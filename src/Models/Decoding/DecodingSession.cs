using static TorchSharp.torch;

namespace DfPO.Models.Decoding;

/// <summary>A batch in the course of decoding. One thread at a time.</summary>
public abstract class DecodingSession : IDisposable
{
    /// <summary>The pass over the prompts. Call it once, first.</summary>
    /// <returns>Logits <c>[batch, vocabulary]</c> of the first new token; the caller's, and valid until the next call.</returns>
    public abstract Tensor Prefill();

    /// <summary>Feeds one token a row.</summary>
    /// <returns>Logits <c>[batch, vocabulary]</c> of the token that follows; the caller's, and valid until the next call.</returns>
    public abstract Tensor Step(ReadOnlySpan<int> tokens);

    /// <summary>
    /// Logits <c>[batch, vocabulary]</c> of the partner that decodes beside the policy (<see cref="LockstepDecoder"/>) from the last call;
    /// the session's own, and valid until the next. Null where none does. What they are there for only the caller knows.
    /// </summary>
    public virtual Tensor? PartnerLogits => null;

    /// <summary>
    /// Keeps the rows at these places, in this order: finished sequences leave the batch, and a row that is named more than once goes on as
    /// several.
    /// </summary>
    public abstract void Select(ReadOnlySpan<int> rows);

    /// <summary>
    /// Whether <see cref="Select"/> moves no keys and values while no row is named twice, so that rows may leave one by one.
    /// </summary>
    public virtual bool SelectIsFree => false;

    /// <summary>
    /// Takes in the rows of another session of the same decoder behind its own, between two tokens: both have given the logits of the
    /// tokens that come next.
    /// </summary>
    /// <param name="other">The other session; done with afterwards, where it is taken in.</param>
    /// <param name="newTokens">Most tokens that will follow.</param>
    /// <returns>False where rows cannot join: both sessions are as they were.</returns>
    public virtual bool TryJoin(DecodingSession other, int newTokens) => false;

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees the keys and values.</summary>
    protected abstract void Dispose(bool disposing);
}
