using Akka.Actor;
using DfPO.Actors.Experiments;
using DfPO.Actors.Weights;
using DfPO.Actors.Work;
using DfPO.Models;
using DfPO.Models.Policies;
using DfPO.Rollout;
using static DfPO.Actors.Work.WorkProtocol;

namespace DfPO.Actors.Tests.Simulation;

/// <summary>What a run leaves on its disk, and who may write it.</summary>
/// <param name="run">Its identity.</param>
/// <param name="model">What its rollout engines are built from.</param>
internal sealed class RunDisk(string run, string model)
{
    public string Run => run;

    public string Model => model;

    public LearnerNode? LockedBy { get; set; }

    public SortedDictionary<int, string> Checkpoints { get; } = new() { [0] = $"{run}-weights-0" };

    public List<(string Weights, TrainingUnit[] Units)> Journal { get; } = [];

    public string? Result { get; set; }
}

/// <summary>A process that learns, or waits to. Its decisions are the program's; what is slow or outside of it is made up.</summary>
internal sealed class LearnerNode(World world, int index, string name, RunDisk disk, bool standby) : Node(world, index, name)
{
    public const int Iterations = 4;
    private const int UnitsPerIteration = 3,
        CheckpointEvery = 2;
    private static readonly UnitGrid s_grid = new([DecodingPolicy.Policy], UnitsPerIteration);
    private readonly Dictionary<UnitId, (TrainingUnit Unit, RolloutUnit Work)> _open = [];
    private readonly Dictionary<TrainingUnit, RolloutResult> _arrived = [];
    private WorkQueue _queue = null!;
    private IUnitSchedule _schedule = null!;
    private TimeSpan _since;
    private string _weights = "";
    private int _iteration;
    private bool _learning;

    public bool Leads { get; private set; }

    /// <summary>A result was believed that nobody else was there to make again: the run is no longer what it would have been.</summary>
    public bool Tainted { get; private set; }

    public RunDisk Disk => disk;

    public IReadOnlyList<RolloutUnit> OpenUnits => [.. _open.Values.Select(unit => unit.Work)];

    public IReadOnlyList<QueuedWorker> Workers => Leads ? [.. _queue.Workers] : [];

    public override void Crash()
    {
        base.Crash();
        Leads = false;
        if (disk.LockedBy == this)
            disk.LockedBy = null;
    }

    public override void Receive(object message, IActorRef sender)
    {
        if (!Leads)
            return;
        switch (message)
        {
            case RegisterWorker register:
                Do(_queue.Register(register, sender, Time));
                break;
            case RequestWork request:
                Do(_queue.Request(request, sender, Time));
                break;
            case CompleteUnit complete:
                var alone = _queue.Workers.Count(worker => worker.Reachable && worker.Health.Failures < 3) < 2;
                Tainted |= alone && World.Plan.Liar;
                Do(_queue.Complete(complete, sender, Time));
                break;
            case FailUnit fail:
                Do(_queue.Fail(fail, sender, Time));
                break;
            case ReturnUnit returned:
                Do(_queue.Return(returned, sender, Time));
                break;
            case LeaveQueue leave:
                Do(_queue.Leave(leave, sender, Time));
                break;
        }
    }

    public override void OutOfSight(Node other) => Sight(other, false);

    public override void Sighted(Node other) => Sight(other, true);

    public override void Lost(Node other)
    {
        if (other is LearnerNode)
            TryLead();
        if (!Leads)
            return;
        foreach (var worker in _queue.Workers.Where(worker => worker.Ref.Path.Address.Host == $"host{other.Index}").ToArray())
            Do(_queue.Terminated(worker.Ref, Time));
        if (other is WorkerNode lost)
            lost.Downed = true;
    }

    public override void Gone(Node node, FakeRef actor)
    {
        if (node is LearnerNode)
            TryLead();
        if (Leads)
            Do(_queue.Terminated(actor, Time));
    }

    protected override void Started()
    {
        (Leads, _since) = (false, Time);
        if (!standby)
            TryLead();
    }

    protected override void Beat()
    {
        if (Leads)
            Do(_queue.Tick(Time));
    }

    private void Sight(Node other, bool reachable)
    {
        if (Leads)
            Do(_queue.Reachability(new NodeReachability(other.Self.Path.Address, reachable), Time));
    }

    /// <summary>The operating system gives the lock to one process, until it dies.</summary>
    private void TryLead()
    {
        if (Leads || disk.Result is not null)
            return;
        if (disk.LockedBy is { Alive: true })
        {
            World.Later(this, 0.25, TryLead);
            return;
        }
        disk.LockedBy = this;
        Lead();
    }

    private void Lead()
    {
        Leads = true;
        _open.Clear();
        _arrived.Clear();
        (_learning, _iteration, _weights) = (false, disk.Checkpoints.Keys.Max(), disk.Checkpoints[disk.Checkpoints.Keys.Max()]);
        disk.Journal.RemoveRange(_iteration, disk.Journal.Count - _iteration);
        _schedule = new AsyncSchedule(s_grid, World.Plan.Staleness, Iterations)
        {
            Learnt = [.. disk.Journal.SelectMany(line => line.Units).Select(unit => unit.Number)],
        };
        _queue = new WorkQueue(
            new WorkQueueOptions
            {
                Role = "rollout",
                Setup = new WorkerSetup(disk.Model, "", "") { Run = disk.Run, Fingerprint = disk.Model },
                UnitTimeout = TimeSpan.FromMinutes(5),
                MaxAttempts = 3,
                WorkerPatience = TimeSpan.FromMinutes(2),
                Check = new ResultCheck(Vocabulary: Engine.Vocabulary),
                Audit = World.Plan.Liar ? 1 : 0,
            }
        );
        Publish();
    }

    private void Publish()
    {
        (_schedule, var submit, var drop) = _schedule.Publish(_iteration);
        foreach (var unit in drop)
        {
            _arrived.Remove(unit);
            if (_open.Values.FirstOrDefault(open => open.Unit == unit).Work is { } work)
            {
                _open.Remove(work.Id);
                Do(_queue.Withdraw(work.Id));
            }
        }
        foreach (var unit in submit)
        {
            var work = Engine.Unit(disk.Run, unit, _weights);
            var queue = _queue.Submit(work, Time);
            if (ReferenceEquals(queue, _queue))
                throw new ViolationException($"unit {work.Id} was submitted before");
            _open[work.Id] = (unit, work);
            Do(queue);
        }
    }

    private void Do(WorkQueue queue)
    {
        _queue = queue.Done();
        Tainted |= _queue.Unaudited > 0 && World.Plan.Liar;
        foreach (var (id, reason) in _queue.Benched)
            if (!id.Value.StartsWith(WorkerNode.LiarName, StringComparison.Ordinal))
                throw new ViolationException($"worker {id} is honest and was benched, because {reason}");
        foreach (var effect in queue.Effects)
            Do(effect);
    }

    private void Do(QueueEffect effect)
    {
        switch (effect)
        {
            case QueueEffect.Send(var to, var message):
                World.Send(Self, to, message);
                break;
            case QueueEffect.Assign(var to, var unit):
                World.Send(Self, to, new AssignUnit(unit, "", disk.Run));
                break;
            case QueueEffect.Hold(var to, var weights, _, var relays):
                World.Send(Self, to, new HoldWeights(weights, "") { Relays = relays });
                break;
            case QueueEffect.Finish(var id, var result, var maker):
                Finish(id, (RolloutResult)result, maker);
                break;
            case QueueEffect.Abandon(var id, var reason):
                throw new ViolationException($"unit {id} was given up: {reason}");
        }
    }

    private void Finish(UnitId id, RolloutResult result, WorkerId maker)
    {
        if (!_open.Remove(id, out var finished))
            throw new ViolationException($"unit {id} was finished twice, or after it was withdrawn");
        if (!Tainted && !UnitResultBits.AreEqual(result, Engine.Make(finished.Work, finished.Work.Weights.Digest, disk.Model)))
            throw new ViolationException($"unit {id} by {maker} is not what the unit says");
        _schedule = _schedule.Arrive(finished.Unit);
        _arrived[finished.Unit] = result;
        Learn();
    }

    private void Learn()
    {
        if (_learning || _schedule.Take() is not var (next, taken))
            return;
        _schedule = next;
        if (taken.Any(unit => _iteration - unit.Version > World.Plan.Staleness))
            throw new ViolationException($"update {_iteration + 1} learns from units that are too old");
        var learnt = disk.Journal.SelectMany(line => line.Units).Select(unit => unit.Number).ToHashSet();
        if (taken.Count != UnitsPerIteration || taken.Any(unit => !learnt.Add(unit.Number)))
            throw new ViolationException($"update {_iteration + 1} learns from a unit twice, or from too few");
        if (disk.LockedBy != this)
            throw new ViolationException($"{Name} learns without the lock");
        disk.Journal.Add((_weights, [.. taken]));
        _learning = true;
        World.Later(this, World.Dice.Between(0.2, 1), () => Learnt(taken));
    }

    private void Learnt(IReadOnlyList<TrainingUnit> taken)
    {
        (_weights, _iteration) = (Engine.Learn(_weights, [.. taken.Select(unit => _arrived[unit])]), _iteration + 1);
        foreach (var unit in taken)
            _arrived.Remove(unit);
        if (_iteration % CheckpointEvery != 0)
            GoOn();
        else
            World.Later(this, World.Now < World.SlowDiskUntil ? World.Dice.Between(5, 20) : 0.1, () =>
            {
                disk.Checkpoints[_iteration] = _weights;
                GoOn();
            });
    }

    private void GoOn()
    {
        _learning = false;
        if (_iteration < Iterations)
        {
            Publish();
            Learn();
            return;
        }
        disk.Result = _weights;
        Do(_queue.End(""));
        Leads = false;
        disk.LockedBy = null;
    }
}

/// <summary>What engine and learner make: a function of what they are given, as in the program.</summary>
internal static class Engine
{
    public const int Vocabulary = 50;

    public static RolloutUnit Unit(string run, TrainingUnit unit, string weights) =>
        new(
            // The ids of two runs may be the same.
            new UnitId($"train-{unit.Number}@{unit.Version}/{weights[(run.Length + 1)..]}"),
            [new GenerationRequest([(int)(unit.Number % Vocabulary)], (ulong)unit.Number)],
            new GenerationOptions { MaxNewTokens = 2 },
            new WeightsRef(unit.Version, weights, 1, ""),
            EndOfText.None
        );

    public static RolloutResult Make(RolloutUnit unit, string content, string model, bool forged = false)
    {
        var hash = Hash($"{unit.Id}|{content}|{model}");
        return new([
            new GeneratedSequence
            {
                PromptTokens = unit.Requests[0].PromptTokens,
                Tokens = [(int)(hash % Vocabulary), (int)((hash >> 8) % Vocabulary)],
                Logprobs = [-(float)(hash >> 16 & 0xff) / 256, forged ? -0.125f : -1 - ((hash >> 24 & 0xff) / 256f)],
                ReferenceLogprobs = [],
                StateKl = [],
            },
        ]);
    }

    public static string Learn(string weights, IEnumerable<RolloutResult> results)
    {
        var run = weights[..weights.IndexOf('-')];
        var sequences = results.Select(result => result.Sequences[0]);
        var made = string.Join(';', sequences.Select(made => $"{made.Tokens[0]},{made.Tokens[1]},{made.Logprobs[1]:R}"));
        return $"{run}-{Hash($"{weights}|{made}"):x16}";
    }

    /// <summary>The last weights of a synchronous run that nothing disturbed.</summary>
    public static string Undisturbed(string run, string model, int iterations, int units)
    {
        var weights = new RunDisk(run, model).Checkpoints[0];
        for (var iteration = 0; iteration < iterations; iteration++)
        {
            var numbers = Enumerable.Range(iteration * units, units);
            var made = numbers.Select(number => Unit(run, new(number, iteration, DecodingPolicy.Policy), weights)).ToArray();
            var before = weights;
            weights = Learn(weights, made.Select(unit => Make(unit, before, model)));
        }
        return weights;
    }

    public static ulong Hash(string text)
    {
        var hash = 14695981039346656037UL;
        foreach (var letter in text)
            hash = (hash ^ letter) * 1099511628211UL;
        return CounterRandom.UInt64(hash, 0);
    }
}
