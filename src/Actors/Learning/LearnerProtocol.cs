using System.Diagnostics;
using Akka;
using Akka.Actor;
using DfPO.Actors.Weights;
using DfPO.Learner;
using DfPO.Tasks.Prompts;

namespace DfPO.Actors.Learning;

/// <summary>
/// Between the orchestrator and the learner, which share a process: batches are too large for a mailbox of another machine.
/// </summary>
public static class LearnerProtocol
{
    /// <summary>A message to the learner, whatever its answer.</summary>
    public interface ICommand : INoSerializationVerificationNeeded
    {
        /// <summary>Has a learner do it.</summary>
        /// <returns>The answer.</returns>
        object Ask(ILearner learner);
    }

    /// <summary>A message to the learner, answered by <typeparamref name="TReply"/> or <see cref="Status.Failure"/>.</summary>
    public interface ICommand<TReply> : ICommand
        where TReply : notnull
    {
        /// <summary>Has a learner do it.</summary>
        /// <returns>The answer.</returns>
        new TReply Ask(ILearner learner);

        /// <inheritdoc/>
        object ICommand.Ask(ILearner learner) => Ask(learner);
    }

    /// <summary>Load the checkpoint in <paramref name="Folder"/>, or start afresh when null, and publish.</summary>
    public sealed record Start(string? Folder) : ICommand<Published>
    {
        /// <inheritdoc/>
        public Published Ask(ILearner learner) => learner.Start(Folder);
    }

    /// <summary>Learn from an iteration's trajectories and publish the new weights.</summary>
    /// <param name="Batch">Trajectories.</param>
    /// <param name="Parent">Span of the iteration.</param>
    /// <param name="Units">Spans of the work units that fed it.</param>
    public sealed record Learn(IReadOnlyList<Trajectory> Batch, ActivityContext Parent, IReadOnlyList<ActivityContext> Units)
        : ICommand<Learnt>
    {
        /// <inheritdoc/>
        public Learnt Ask(ILearner learner) => learner.Learn(Batch, Parent, Units);
    }

    /// <summary>Write a checkpoint.</summary>
    public sealed record Save(string Folder) : ICommand<Done>
    {
        /// <inheritdoc/>
        public Done Ask(ILearner learner)
        {
            learner.Save(Folder);
            return Done.Instance;
        }
    }

    /// <summary>
    /// Write the policy alone, as an HF checkpoint with its tokenizer; a mask policy that has other weights goes into a folder in it.
    /// </summary>
    public sealed record Export(string Folder) : ICommand<Exported>
    {
        /// <inheritdoc/>
        public Exported Ask(ILearner learner) => learner.Export(Folder);
    }

    /// <summary>Publish an exported policy, without learning on from it.</summary>
    public sealed record PublishExported(string Folder) : ICommand<Published>
    {
        /// <inheritdoc/>
        public Published Ask(ILearner learner) => learner.PublishExported(Folder);
    }

    /// <summary>
    /// Measure the perplexity of the prompts' reference texts under an exported policy, or under the one being learnt when
    /// <paramref name="Folder"/> is null.
    /// </summary>
    public sealed record Measure(IReadOnlyList<Prompt> Prompts, string? Folder) : ICommand<Measured>
    {
        /// <inheritdoc/>
        public Measured Ask(ILearner learner) => learner.Measure(Prompts, Folder);
    }

    /// <summary>There are weights for workers.</summary>
    /// <param name="Iteration">Finished updates of the policy being learnt.</param>
    /// <param name="Weights">Published weights, with those of their mask policy.</param>
    public record Published(int Iteration, WeightsRef Weights);

    /// <summary>There was an update, whose weights are published.</summary>
    /// <param name="Iteration">Finished updates.</param>
    /// <param name="Weights">Published weights, with those of their mask policy.</param>
    /// <param name="Report">Metrics and warnings of the update.</param>
    public sealed record Learnt(int Iteration, WeightsRef Weights, LearnerReport Report) : Published(Iteration, Weights);

    /// <summary>The policy was written.</summary>
    /// <param name="Digest">SHA-256 of its float32 weights.</param>
    public sealed record Exported(string Digest);

    /// <summary>Reference texts were measured.</summary>
    /// <param name="ReferencePerplexity">At least 1; NaN where there was nothing to predict.</param>
    public sealed record Measured(double ReferencePerplexity);
}
