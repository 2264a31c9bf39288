namespace DfPO.Models.Decoding;

/// <summary>A model made ready to decode, with weights as they are now; may be shared by threads, each with its own sessions.</summary>
public abstract class Decoder : IDisposable
{
    /// <summary>Most torch threads that a step may use without its results depending on their number.</summary>
    public virtual int StepThreads => 1;

    /// <summary>Starts decoding a batch.</summary>
    /// <param name="prompts">Token ids, at least one a row.</param>
    /// <param name="newTokens">Most tokens that will follow a prompt.</param>
    /// <exception cref="DfpoException"><c>model/too-long</c>.</exception>
    public abstract DecodingSession Open(IReadOnlyList<int[]> prompts, int newTokens);

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees copies of weights, if any were made.</summary>
    protected virtual void Dispose(bool disposing) { }
}
