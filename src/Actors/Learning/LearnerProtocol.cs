using System.Diagnostics;
using Akka.Actor;
using DfPO.Actors.Weights;
using DfPO.Learner;
using DfPO.Tasks.Prompts;

namespace DfPO.Actors.Learning;

/// <summary>Between the orchestrator and the learner, which share a process: batches are too large for a mailbox of another machine.</summary>
public static class LearnerProtocol
{
    /// <summary>Marker of messages to the learner; each is answered by <see cref="LearnerState"/> or <see cref="Status.Failure"/>.</summary>
    public interface ICommand : INoSerializationVerificationNeeded;

    /// <summary>Load the checkpoint in <paramref name="Folder"/>, or start afresh when null, and publish.</summary>
    public sealed record Start(string? Folder) : ICommand;

    /// <summary>Learn from an iteration's trajectories and publish the new weights.</summary>
    /// <param name="Batch">Trajectories.</param>
    /// <param name="Parent">Span of the iteration.</param>
    /// <param name="Units">Spans of the units that fed it.</param>
    public sealed record Learn(IReadOnlyList<Trajectory> Batch, ActivityContext Parent, IReadOnlyList<ActivityContext> Units) : ICommand;

    /// <summary>Write a checkpoint.</summary>
    public sealed record Save(string Folder) : ICommand;

    /// <summary>Write the policy alone, as an HF checkpoint with its tokenizer; a mask policy that has other weights goes into a folder in it.</summary>
    public sealed record Export(string Folder) : ICommand;

    /// <summary>Publish an exported policy, without learning on from it.</summary>
    public sealed record PublishExported(string Folder) : ICommand;

    /// <summary>Perplexity of the prompts' references under an exported policy, or under the one being learnt when <paramref name="Folder"/> is null.</summary>
    public sealed record Measure(IReadOnlyList<Prompt> Prompts, string? Folder) : ICommand;

    /// <summary>Where the learner stands.</summary>
    /// <param name="Iteration">Finished updates.</param>
    /// <param name="Weights">Published weights, with those of their mask policy.</param>
    /// <param name="Report">Metrics of the update, when there was one.</param>
    /// <param name="Digest">SHA-256 of the float32 policy; only after <see cref="Export"/>.</param>
    /// <param name="ReferencePerplexity">Only after <see cref="Measure"/>.</param>
    public sealed record LearnerState(int Iteration, WeightsRef Weights, LearnerReport? Report, string Digest, double? ReferencePerplexity = null) : INoSerializationVerificationNeeded;
}
