namespace DfPO.Rollout;

/// <summary>A part of a batch that decodes on one thread.</summary>
internal interface ILane : IDisposable
{
    /// <summary>The pass over the prompts.</summary>
    void Prefill();

    /// <summary>Token by token until every row is finished.</summary>
    void Decode(CancellationToken cancellation);

    /// <summary>The lane's results, in the order of its requests.</summary>
    IEnumerable<GeneratedSequence> Results();
}
