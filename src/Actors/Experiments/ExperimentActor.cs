using System.Diagnostics;
using System.Security.Cryptography;
using Akka.Actor;
using Akka.Cluster;
using Akka.Event;
using DfPO.Actors.Configuration;
using DfPO.Actors.Learning;
using DfPO.Actors.Weights;
using DfPO.Actors.Work;
using DfPO.Models;

namespace DfPO.Actors.Experiments;

/// <summary>
/// The cluster's singleton: parent of the queues and of the learner. It takes the run's lock, then runs the <see cref="ExperimentLoop"/>
/// beside its mailbox, from the newest checkpoint. A child that dies ends the experiment: its state died with it, and the run resumes from
/// its checkpoint.
/// </summary>
public sealed class ExperimentActor : ReceiveActor
{
    private sealed record Locked(RunLock Lock) : INoSerializationVerificationNeeded;

    private sealed record Finished(ExperimentResult? Result, Exception? Failure) : INoSerializationVerificationNeeded;

    private static readonly TimeSpan s_learnerTimeout = TimeSpan.FromHours(2);
    private static readonly TimeSpan s_queueTimeout = TimeSpan.FromSeconds(30);
    private readonly ExperimentSetup _setup;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly CancellationTokenSource _broken = new();
    private readonly List<IActorRef> _queues = [];
    private string _brokenChild = "";

    /// <summary>Makes an experiment.</summary>
    public ExperimentActor(ExperimentSetup setup)
    {
        _setup = setup;
        Receive<Locked>(message =>
        {
            try
            {
                Begin(message.Lock);
            }
            catch (Exception e)
            {
                message.Lock.Dispose();
                OnFinished(new Finished(null, e));
            }
        });
        Receive<Finished>(OnFinished);
        Receive<ClusterEvent.UnreachableMember>(message => Tell(new WorkProtocol.NodeReachability(message.Member.Address, false)));
        Receive<ClusterEvent.ReachableMember>(message => Tell(new WorkProtocol.NodeReachability(message.Member.Address, true)));
        Receive<Terminated>(message =>
        {
            _brokenChild = message.ActorRef.Path.Name;
            _broken.Cancel();
        });
    }

    /// <summary>Recipe of the actor.</summary>
    public static Props Props(ExperimentSetup setup) => Akka.Actor.Props.Create(() => new ExperimentActor(setup));

    /// <inheritdoc/>
    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(_ => Directive.Stop);

    /// <inheritdoc/>
    protected override void PreStart()
    {
        Cluster
            .Get(Context.System)
            .Subscribe(Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents, typeof(ClusterEvent.IReachabilityEvent));
        RunLock
            .Acquire(_setup.RunFolder, _setup.LockPatience, _setup.Cancellation)
            .PipeTo(Self, success: held => new Locked(held), failure: e => new Finished(null, e));
    }

    /// <inheritdoc/>
    protected override void PostStop()
    {
        Cluster.Get(Context.System).Unsubscribe(Self);
        _brokenChild = _brokenChild.Length > 0 ? _brokenChild : "experiment";
        _broken.Cancel();
        _setup.Ended.TrySetException(
            new DfpoException(
                "run/stopped",
                "This process is no longer the run's learner: it left the cluster, or the cluster could not see it and went on without it. What was checkpointed can be resumed."
            )
        );
    }

    private void Begin(RunLock held)
    {
        var (config, store) = (_setup.Configure(), _setup.Store);
        if (_setup.IsFinished(config))
        {
            held.Dispose();
            _setup.Activated.TrySetCanceled();
            _setup.Ended.TrySetResult(null);
            return;
        }
        var checkpoints = new RunCheckpoints(_setup.RunFolder);
        var observer = new ObserverQueue(_setup.Observe());
        IActorRef Queue(string role, WorkerSetup worker, string modelDigest, ResultCheck check)
        {
            var options = new WorkQueueOptions
            {
                Role = role,
                Setup = worker,
                UnitTimeout = config.Rollout.UnitTimeout,
                MaxAttempts = config.Rollout.MaxAttempts,
                WorkerPatience = config.Rollout.WorkerPatience,
                WorkersChanged = count => observer.WorkersChanged(role, count),
                WorkersAwaited = (units, waited, patience) => observer.WorkersAwaited(role, units, waited, patience),
                Happened = what => observer.Happened(what, TimeProvider.System.GetUtcNow()),
                ModelDigest = modelDigest,
                Check = check,
                Audit = config.Cluster.Audit,
                AuditSecret = BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong))),
                RelayFanOut = config.Rollout.RelayFanOut,
            };
            var queue = Context.Watch(Context.ActorOf(WorkQueueActor.Props(options), role));
            _queues.Add(queue);
            return queue;
        }
        var (identity, models) = (_setup.Identity, $"{store.BaseUrl}{WeightsEndpoints.ModelsPath}");
        var rollout = Queue(
            ClusterRoles.Rollout,
            identity.Rollout(config, models),
            identity.PolicyDigest,
            new ResultCheck(PretrainedModels.ReadConfig(config.Model.Policy).VocabSize)
        );
        var (lowest, highest) = config.Task.Reward.Range();
        var reward = Queue(
            ClusterRoles.Reward,
            identity.Reward(config.Task, models),
            identity.RewardDigest,
            new ResultCheck(LowestReward: lowest, HighestReward: highest)
        );
        var learner = Context.Watch(
            Context.ActorOf(
                LearnerActor.Props(() => new LearnerSession(config, store, checkpoints.Incidents), config.TorchThreadsOfLearner()),
                ClusterRoles.Learner
            )
        );
        _setup.Activated.TrySetResult();
        Run(config, new Services(rollout, reward, learner), observer, checkpoints, held)
            .PipeTo(Self, success: result => new Finished(result, null), failure: e => new Finished(null, e));
    }

    private void OnFinished(Finished message)
    {
        // Whoever waits for the learner goes on waiting when the run was only interrupted: it is resumed here or elsewhere.
        if (message.Failure is not OperationCanceledException)
            Tell(new WorkProtocol.EndRun(message.Failure?.Message ?? ""));
        if (message.Failure is { } failure)
        {
            _setup.Activated.TrySetException(failure);
            _setup.Ended.TrySetException(failure);
        }
        else
            _setup.Ended.TrySetResult(message.Result);
    }

    private void Tell(object message)
    {
        foreach (var queue in _queues)
            queue.Tell(message);
    }

    private async Task<ExperimentResult> Run(
        ExperimentConfig config,
        IExperimentServices services,
        ObserverQueue observer,
        RunCheckpoints checkpoints,
        RunLock held
    )
    {
        using var _ = held;
        using var either = CancellationTokenSource.CreateLinkedTokenSource(_setup.Cancellation, _broken.Token);
        try
        {
            // Off the actor's thread from the first line on: reading prompts and tokenizer is slow already.
            var loop = () => new ExperimentLoop(config, services, observer, checkpoints).Run(either.Token);
            var result = await Task.Run(loop, either.Token);
            await observer.Conclude(() => _setup.Conclude(result));
            return result;
        }
        catch (OperationCanceledException e) when (!_setup.Cancellation.IsCancellationRequested)
        {
            throw new DfpoException(
                "run/actor-lost",
                $"The run's {_brokenChild} actor died; its log says why. Resume the run from its folder.",
                e
            );
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
                ?? throw new DfpoException(
                    "run/unit-abandoned",
                    answer is WorkProtocol.UnitAbandoned abandoned
                        ? $"Work unit {unit.Id} was given up: {abandoned.Reason}."
                        : $"Work unit {unit.Id} was answered by {answer}."
                );
        }

        public async Task<TReply> Learner<TReply>(LearnerProtocol.ICommand<TReply> command, CancellationToken cancellation)
            where TReply : notnull
        {
            try
            {
                return await learner.Ask<TReply>(command, s_learnerTimeout, cancellation);
            }
            catch (AskTimeoutException e)
            {
                throw new DfpoException(
                    "run/learner-timeout",
                    $"The learner did not finish '{command.GetType().Name}' in {s_learnerTimeout.TotalMinutes:F0} minutes.",
                    e
                );
            }
        }

        public Task<WorkProtocol.QueueStatus[]> Queues(CancellationToken cancellation) =>
            Task.WhenAll(
                new[] { rollout, reward }.Select(queue =>
                    queue.Ask<WorkProtocol.QueueStatus>(new WorkProtocol.GetStatus(), s_queueTimeout, cancellation)
                )
            );
    }
}
