using System.Diagnostics;
using Akka.Actor;
using DfPO.Actors.Weights;
using DfPO.Tasks.Rewards;

namespace DfPO.Actors.Work;

/// <summary>
/// Between a queue and the workers that pull from it. Everything a worker and a queue say to each other crosses machines and is
/// <see cref="IWireMessage"/>; <see cref="Submit"/>, <see cref="UnitFinished"/> and <see cref="UnitAbandoned"/> stay in the orchestrator's
/// process.
/// </summary>
public static class WorkProtocol
{
    /// <summary>Marker of messages that <see cref="Serialization.WorkSerializer"/> carries.</summary>
    public interface IWireMessage;

    /// <summary>Worker to queue: I exist, and work like this.</summary>
    /// <param name="Worker">Identity.</param>
    /// <param name="Device">Device of its engine.</param>
    /// <param name="Version">Version of its program; the queue refuses another than its own.</param>
    /// <param name="ModelDigest">Fingerprint of a checkpoint folder that it brought along; empty when it will fetch the run's.</param>
    /// <param name="BulkUrl">Base address at which its process relays the weights that it holds; empty when it relays none.</param>
    public sealed record RegisterWorker(WorkerId Worker, string Device, string Version, string ModelDigest, string BulkUrl = "")
        : IWireMessage
    {
        /// <summary>Workers of one class make the same bits of a unit; see <see cref="Work.MachineClass"/>.</summary>
        public string MachineClass { get; init; } = "";

        /// <summary>The run that its engine was built for; empty while it has none.</summary>
        public string Run { get; init; } = "";
    }

    /// <summary>Queue to worker: what to load.</summary>
    public sealed record WorkerAccepted(WorkerSetup Setup) : IWireMessage;

    /// <summary>Queue to worker: not you, and why.</summary>
    public sealed record WorkerRefused(string Reason) : IWireMessage;

    /// <summary>Worker to queue: I am idle. Repeated until answered, so that a lost message costs seconds.</summary>
    /// <param name="Worker">Identity.</param>
    /// <param name="HeldDigest">The weights in its engine, as <see cref="WeightsRef.Needed"/> names them; empty when it has none.</param>
    public sealed record RequestWork(WorkerId Worker, string HeldDigest) : IWireMessage;

    /// <summary>Queue to worker: put these weights into your engine, then ask again.</summary>
    /// <param name="Weights">Version, digest and address.</param>
    /// <param name="TraceParent">W3C trace context; empty without a trace.</param>
    public sealed record HoldWeights(WeightsRef Weights, string TraceParent) : IWireMessage
    {
        /// <summary>Base addresses of workers to ask before the origin, in this order.</summary>
        public IReadOnlyList<string> Relays { get; init; } = [];
    }

    /// <summary>Queue to worker: do this.</summary>
    /// <param name="Unit">The work.</param>
    /// <param name="TraceParent">W3C trace context of the unit; empty without a trace.</param>
    /// <param name="Run">The run that it belongs to.</param>
    public sealed record AssignUnit(WorkUnit Unit, string TraceParent, string Run = "") : IWireMessage;

    /// <summary>Worker to queue: done.</summary>
    /// <param name="Worker">Identity.</param>
    /// <param name="Unit">Which unit.</param>
    /// <param name="HeldDigest">The weights it was done with, as <see cref="WeightsRef.Needed"/> names them; empty when none are
    /// needed.</param>
    /// <param name="Result">The result.</param>
    /// <param name="Run">The run that the unit came from.</param>
    public sealed record CompleteUnit(WorkerId Worker, UnitId Unit, string HeldDigest, UnitResult Result, string Run = "") : IWireMessage;

    /// <summary>Worker to queue: it cannot be done here.</summary>
    /// <param name="Worker">Identity.</param>
    /// <param name="Unit">Which unit; empty for a failure to take weights.</param>
    /// <param name="Reason">One line.</param>
    public sealed record FailUnit(WorkerId Worker, UnitId Unit, string Reason) : IWireMessage;

    /// <summary>
    /// Worker to queue: this came while I was at something else, for my asking and your giving crossed; give it to another. Nothing failed.
    /// </summary>
    public sealed record ReturnUnit(WorkerId Worker, UnitId Unit) : IWireMessage;

    /// <summary>Worker to queue: I am going.</summary>
    public sealed record LeaveQueue(WorkerId Worker) : IWireMessage;

    /// <summary>Queue to worker: the run has ended.</summary>
    /// <param name="Failure">Empty when it ended well.</param>
    public sealed record RunEnded(string Failure) : IWireMessage;

    /// <summary>Orchestrator to queue: tell the workers that the run has ended.</summary>
    /// <param name="Failure">Empty when it ended well.</param>
    public sealed record EndRun(string Failure) : INoSerializationVerificationNeeded;

    /// <summary>Orchestrator to queue: the cluster lost sight of a node, or sees it again.</summary>
    public sealed record NodeReachability(Address Node, bool Reachable) : INoSerializationVerificationNeeded;

    /// <summary>Orchestrator to queue: have this done; the answer is <see cref="UnitFinished"/> or <see cref="UnitAbandoned"/>.</summary>
    /// <param name="Unit">The work.</param>
    /// <param name="Parent">Span that the unit belongs to.</param>
    public sealed record Submit(WorkUnit Unit, ActivityContext Parent);

    /// <summary>Orchestrator to queue: the submitted unit is no longer wanted; there is no answer.</summary>
    public sealed record Withdraw(UnitId Unit) : INoSerializationVerificationNeeded;

    /// <summary>Queue to orchestrator: done.</summary>
    /// <param name="Unit">Which unit.</param>
    /// <param name="Result">The result.</param>
    /// <param name="Span">The unit's span, for links.</param>
    public sealed record UnitFinished(UnitId Unit, UnitResult Result, ActivityContext Span);

    /// <summary>Queue to orchestrator: given up, with the reason for the user.</summary>
    public sealed record UnitAbandoned(UnitId Unit, string Reason);

    /// <summary>Asks a queue how it stands; answered by <see cref="QueueStatus"/>.</summary>
    public sealed record GetStatus : INoSerializationVerificationNeeded;

    /// <summary>How a queue stands.</summary>
    public sealed record QueueStatus(int Workers, int Pending, int Leased, long Duplicates, long Refused)
        : INoSerializationVerificationNeeded;
}

/// <summary>What a joining worker needs to know to build its engine.</summary>
/// <param name="ModelUrl">Served checkpoint folder: the policy that training started from, or the reward model.</param>
/// <param name="Dtype">Precision of generation; empty for a reward worker.</param>
/// <param name="RewardLabel">The class whose probability is the reward; empty for a rollout worker.</param>
/// <param name="Reward">What rewards, with the learner's paths of its data, which are served beside the model; null for a rollout worker,
/// and where a classifier alone rewards.</param>
public sealed record WorkerSetup(string ModelUrl, string Dtype, string RewardLabel, RewardSpec? Reward = null)
{
    /// <summary>Identity of the run.</summary>
    public string Run { get; init; } = "";

    /// <summary>Digest of everything that an engine is built from: model, precision, label and reward.</summary>
    public string Fingerprint { get; init; } = "";

    /// <summary>Whether an engine that was built for the other setup is the one that this setup wants.</summary>
    public bool IsSameEngine(WorkerSetup other) => (Run, Fingerprint) == (other.Run, other.Fingerprint);
}
