using DfPO.Actors.Configuration;

namespace DfPO.Host.Composition;

/// <summary>What <c>dfpo run</c> was told beside the experiment itself.</summary>
public sealed record RunOptions
{
    /// <summary>Folder of a run to go on with; null starts a new one.</summary>
    public string? Resume { get; init; }

    /// <summary>Folder that new runs' folders are made in.</summary>
    public string RunsDirectory { get; init; } = "runs";

    /// <summary>One JSON object a line instead of tables.</summary>
    public bool Json { get; init; }

    /// <summary>Only the final report.</summary>
    public bool Quiet { get; init; }

    /// <summary>Name or address that workers reach this process at.</summary>
    public string Host { get; init; } = "127.0.0.1";

    /// <summary>Address to listen at; empty takes that of <see cref="Host"/>.</summary>
    public string Bind { get; init; } = "";

    /// <summary>Port of the cluster; 0 takes a free one.</summary>
    public int Port { get; init; } = 4053;

    /// <summary>Port of the weight stream; 0 takes a free one.</summary>
    public int BulkPort { get; init; }

    /// <summary>Addresses, as <c>host:port</c>, of members of a cluster to stand by in; empty starts a cluster.</summary>
    public IReadOnlyList<string> Join { get; init; } = [];

    /// <summary>How long a standby waits for the run's lock, once its cluster has lost the learner.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Rollout workers in processes of their own on this machine.</summary>
    public int WorkerProcesses { get; init; }

    /// <summary>Rollout workers in this process; null takes the experiment's, or none where there are worker processes.</summary>
    public int? LocalWorkers { get; init; }

    /// <summary>Health and logging.</summary>
    public NodeWatch Watch { get; init; } = new();

    /// <summary>Files of mutual TLS; empty takes the experiment's.</summary>
    public TlsOptions Tls { get; init; } = new();

    /// <summary>Port of the live page; 0 takes a free one, null serves none.</summary>
    public int? DashboardPort { get; init; }

    /// <summary>Address of a trace, with <c>{trace}</c> in it, for the page's links; empty for none.</summary>
    public string TraceUrl { get; init; } = "";

    /// <summary>Rollout workers that this process starts in itself.</summary>
    public int LocalWorkersOf(RolloutOptions rollout) => LocalWorkers ?? (WorkerProcesses > 0 ? 0 : rollout.Workers);
}
