namespace DfPO.Actors.Configuration;

/// <summary>How the run's processes speak to each other.</summary>
public sealed record ClusterConfig
{
    /// <summary>Mutual TLS for control and weights; plain connections when no file is named.</summary>
    public TlsOptions Tls { get; init; } = new();
}
