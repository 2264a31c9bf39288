using DfPO.Actors.Security;
using DfPO.Actors.Weights;

namespace DfPO.Actors.Work;

/// <summary>A worker's place in the run.</summary>
public sealed record WorkerActorOptions
{
    /// <summary>Identity.</summary>
    public required WorkerId Id { get; init; }

    /// <summary>Device of its engine.</summary>
    public required string Device { get; init; }

    /// <summary>Path of its queue under the learner's node, for instance <c>/user/experiment/rollout</c>.</summary>
    public required string QueuePath { get; init; }

    /// <summary>Threads of one torch operation; 0 means one a processor.</summary>
    public required int TorchThreads { get; init; }

    /// <summary>Builds the engine from what the queue tells; runs on the torch thread.</summary>
    public required Func<WorkerSetup, WeightsClient, IUnitExecutor> CreateExecutor { get; init; }

    /// <summary>How long it looks for a learner, at the start or after losing one, before it gives up.</summary>
    public required TimeSpan Patience { get; init; }

    /// <summary>Fingerprint of a model folder that the worker brings along; empty when it fetches the run's.</summary>
    public string ModelDigest { get; init; } = "";

    /// <summary>Tells the user what the worker waits for; called on the actor's thread, so it must be quick.</summary>
    public Action<string> Say { get; init; } = _ => { };

    /// <summary>Its certificate for the bulk channel; null for plain HTTP.</summary>
    public NodeIdentity? Identity { get; init; }

    /// <summary>Where its process serves the weights that it holds; null where it does not.</summary>
    public RelayPoint? Relay { get; init; }
}

/// <summary>A process that serves the weights that its workers hold.</summary>
/// <param name="Url">Base address of its bulk channel.</param>
/// <param name="Sources">What it serves.</param>
public sealed record RelayPoint(string Url, WeightsSources Sources);
