using System.Net.Security;

namespace DfPO.Actors.Weights;

/// <summary>How weights are fetched. No wait is without an end.</summary>
public sealed record WeightsClientOptions
{
    /// <summary>Certificate and validation for servers whose address starts with <c>https</c>; null leaves the system's defaults.</summary>
    public SslClientAuthenticationOptions? Tls { get; init; }

    /// <summary>Longest wait for a connection.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Longest wait for the next byte.</summary>
    public TimeSpan Stall { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Longest wait for a relay that is still fetching the weights itself; then the next source is asked.</summary>
    public TimeSpan RelayPatience { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Longest time for one version or one folder, all attempts and sources together.</summary>
    public TimeSpan Deadline { get; init; } = TimeSpan.FromMinutes(15);

    /// <summary>Failures in a row, without a byte between them, after which a source is given up.</summary>
    public int Attempts { get; init; } = 4;

    /// <summary>Whether to take a delta when the source offers one from the weights that are held.</summary>
    public bool AcceptDelta { get; init; } = true;
}
