using DfPO.Actors.Security;

namespace DfPO.Actors.Weights;

/// <summary>How weights are fetched. No wait is without an end.</summary>
public sealed record WeightsClientOptions
{
    /// <summary>This node's certificate, and whom it trusts; null for plain HTTP.</summary>
    public NodeIdentity? Identity { get; init; }

    /// <summary>Longest wait for a connection.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Longest wait for the next byte.</summary>
    public TimeSpan Stall { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Longest wait for a relay that is still fetching the weights itself; then the next source is asked.</summary>
    public TimeSpan RelayPatience { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Longest time for one version or one folder, all attempts and sources together.</summary>
    public TimeSpan Deadline { get; init; } = TimeSpan.FromMinutes(15);

    /// <summary>Measures the waits.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>Failures in a row, without a byte between them, after which a source is given up.</summary>
    public int Attempts { get; init; } = 4;

    /// <summary>Whether to take a delta when the source offers one from the weights that are held.</summary>
    public bool AcceptDelta { get; init; } = true;
}
