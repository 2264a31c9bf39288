using DfPO.Actors.Configuration;
using DfPO.Tasks.Rewards;

namespace DfPO.Host.Composition;

/// <summary>What a worker does.</summary>
public enum WorkerRole
{
    /// <summary>Generates continuations.</summary>
    Rollout,

    /// <summary>Scores them.</summary>
    Reward,
}

/// <summary>What <c>dfpo worker</c> was told.</summary>
public sealed record WorkerOptions
{
    /// <summary><c>host:port</c> of a running <c>dfpo run</c>, of its standbys, of any member.</summary>
    public required IReadOnlyList<string> Join { get; init; }

    /// <summary>How long to look for a learner, at the start and after losing one.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>A copy of the run's model folder on this machine; null fetches it.</summary>
    public string? Model { get; init; }

    /// <summary>What it does.</summary>
    public WorkerRole Role { get; init; }

    /// <summary>One engine a device.</summary>
    public IReadOnlyList<string> Devices { get; init; } = ["cpu"];

    /// <summary>Address that the cluster reaches this process at.</summary>
    public string Host { get; init; } = "127.0.0.1";

    /// <summary>Address to listen at; empty takes that of <see cref="Host"/>.</summary>
    public string Bind { get; init; } = "";

    /// <summary>Port of the cluster; 0 takes a free one.</summary>
    public int Port { get; init; }

    /// <summary>Port at which it relays weights to other workers; 0 takes a free one.</summary>
    public int BulkPort { get; init; }

    /// <summary>Torch threads an engine.</summary>
    public int Threads { get; init; } = 1;

    /// <summary>What a reward worker may load, send and call for the run; nothing when empty.</summary>
    public RewardAllowance Allowance { get; init; } = new();

    /// <summary>Health and logging.</summary>
    public NodeWatch Watch { get; init; } = new();

    /// <summary>Files of mutual TLS; empty for plain connections.</summary>
    public TlsOptions Tls { get; init; } = new();
}
