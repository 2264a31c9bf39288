using System.Diagnostics;
using DfPO.Actors.Learning;
using DfPO.Actors.Work;

namespace DfPO.Actors.Experiments;

/// <summary>What an experiment asks of the cluster: plain tasks, so that the loop can be read, and tested, without actors.</summary>
public interface IExperimentServices
{
    /// <summary>Has a unit done by whichever rollout or reward worker pulls it.</summary>
    /// <exception cref="DfPO.Models.DfpoException"><c>run/unit-abandoned</c>, with what went wrong.</exception>
    Task<WorkProtocol.UnitFinished> Process(WorkUnit unit, ActivityContext parent, CancellationToken cancellation);

    /// <summary>Has the learner do something.</summary>
    /// <returns>What the command is answered by.</returns>
    Task<TReply> Learner<TReply>(LearnerProtocol.ICommand<TReply> command, CancellationToken cancellation)
        where TReply : notnull;

    /// <summary>How the queues stand, rollouts first.</summary>
    Task<WorkProtocol.QueueStatus[]> Queues(CancellationToken cancellation);
}
