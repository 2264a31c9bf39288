using System.Diagnostics;
using Akka.Actor;
using DfPO.Actors.Learning;
using DfPO.Actors.Weights;
using DfPO.Actors.Work;
using DfPO.Models;
using static DfPO.Actors.Experiments.ExperimentProtocol;

namespace DfPO.Actors.Experiments;

/// <summary>
/// Parent of the queues and of the learner; runs the <see cref="ExperimentLoop"/> beside its mailbox. A child that dies ends the experiment: its
/// state died with it, and the run resumes from its checkpoint.
/// </summary>
public sealed class ExperimentActor : ReceiveActor
{
    private static readonly TimeSpan s_noWorkerTimeout = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan s_learnerTimeout = TimeSpan.FromHours(2);
    private readonly CancellationTokenSource _broken = new();
    private string _brokenChild = "";

    /// <summary>Makes an experiment.</summary>
    /// <param name="config">A validated experiment.</param>
    /// <param name="store">Where the learner publishes; its base address is known.</param>
    /// <param name="observer">Sees progress.</param>
    /// <param name="runFolder">The run's folder.</param>
    public ExperimentActor(ExperimentConfig config, WeightsStore store, IExperimentObserver observer, string runFolder)
    {
        var checkpoints = new RunCheckpoints(runFolder);
        var queued = new ObserverQueue(observer);
        IActorRef Queue(string role, WorkerSetup setup) => Context.Watch(Context.ActorOf(WorkQueueActor.Props(new WorkQueueOptions(
            role, setup, config.Rollout.UnitTimeout, config.Rollout.MaxAttempts, s_noWorkerTimeout, count => queued.WorkersChanged(role, count))), role));
        var rollout = Queue(ClusterRoles.Rollout, new WorkerSetup($"{store.BaseUrl}{WeightsEndpoints.ModelsPath}/policy", config.Model.Dtype, ""));
        var reward = Queue(ClusterRoles.Reward, new WorkerSetup($"{store.BaseUrl}{WeightsEndpoints.ModelsPath}/reward", "", config.Task.RewardLabel));
        var learner = Context.Watch(Context.ActorOf(LearnerActor.Props(() => new LearnerSession(config, store, checkpoints.Incidents), config.TorchThreadsOfLearner()), ClusterRoles.Learner));
        Receive<RunExperiment>(message => Run(config, new Services(rollout, reward, learner), queued, checkpoints, message.Cancellation).PipeTo(Sender, Self));
        Receive<Terminated>(message =>
        {
            _brokenChild = message.ActorRef.Path.Name;
            _broken.Cancel();
        });
    }

    /// <summary>Recipe of the actor.</summary>
    public static Props Props(ExperimentConfig config, WeightsStore store, IExperimentObserver observer, string runFolder) =>
        Akka.Actor.Props.Create(() => new ExperimentActor(config, store, observer, runFolder));

    /// <inheritdoc/>
    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(_ => Directive.Stop);

    private async Task<ExperimentResult> Run(ExperimentConfig config, IExperimentServices services, ObserverQueue observer, RunCheckpoints checkpoints, CancellationToken cancellation)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, _broken.Token);
        try
        {
            // Off the actor's thread from the first line on: reading prompts and tokenizer is slow already.
            return await Task.Run(() => new ExperimentLoop(config, services, observer, checkpoints).Run(either.Token), either.Token);
        }
        catch (OperationCanceledException e) when (!cancellation.IsCancellationRequested)
        {
            throw new DfpoException("run/actor-lost", $"The run's {_brokenChild} actor died; its log says why. Resume the run from its folder.", e);
        }
        finally
        {
            await observer.Drain();
        }
    }

    private sealed class Services(IActorRef rollout, IActorRef reward, IActorRef learner) : IExperimentServices
    {
        public async Task<WorkProtocol.UnitFinished> Process(WorkUnit unit, ActivityContext parent, CancellationToken cancellation)
        {
            var queue = unit is RolloutUnit ? rollout : reward;
            object answer;
            try
            {
                // No deadline here: the queue owns the unit's.
                answer = await queue.Ask<object>(new WorkProtocol.Submit(unit, parent), Timeout.InfiniteTimeSpan, cancellation);
            }
            catch (OperationCanceledException)
            {
                queue.Tell(new WorkProtocol.Withdraw(unit.Id));
                throw;
            }
            return answer as WorkProtocol.UnitFinished
                ?? throw new DfpoException("run/unit-abandoned", answer is WorkProtocol.UnitAbandoned abandoned ? $"Work unit {unit.Id} was given up: {abandoned.Reason}." : $"Work unit {unit.Id} was answered by {answer}.");
        }

        public async Task<LearnerProtocol.LearnerState> Learner(LearnerProtocol.ICommand command, CancellationToken cancellation)
        {
            try
            {
                return await learner.Ask<LearnerProtocol.LearnerState>(command, s_learnerTimeout, cancellation);
            }
            catch (AskTimeoutException e)
            {
                throw new DfpoException("run/learner-timeout", $"The learner did not finish '{command.GetType().Name}' in {s_learnerTimeout.TotalMinutes:F0} minutes.", e);
            }
        }
    }
}
