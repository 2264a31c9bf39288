using System.ComponentModel.DataAnnotations;

namespace DfPO.Actors.Configuration;

/// <summary>How the run's processes speak to each other.</summary>
public sealed record ClusterConfig
{
    /// <summary>Mutual TLS for control and weights; plain connections when no file is named.</summary>
    public TlsOptions Tls { get; init; } = new();

    /// <summary>
    /// Share of the work units that a second worker does again, so that results can be compared bit for bit; a third decides where two
    /// differ. Only workers of one class of machines are compared.
    /// </summary>
    [Range(0.0, 1.0)]
    public double Audit { get; init; }
}
