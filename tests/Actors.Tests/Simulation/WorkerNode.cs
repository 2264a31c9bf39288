using System.Text;
using Akka.Actor;
using DfPO.Actors.Weights;
using DfPO.Actors.Work;
using DfPO.Models;
using static DfPO.Actors.Work.WorkProtocol;

namespace DfPO.Actors.Tests.Simulation;

/// <summary>A worker's process. Its decisions are the program's; the engine is made up, and notices when two want it at once.</summary>
internal sealed class WorkerNode(World world, int index, bool lies) : Node(world, index, lies ? LiarName : $"worker{index}")
{
    public const string LiarName = "eve";
    private PullingWorker _worker = null!;
    private string _model = "";
    private string _content = "";
    private string _held = "";
    private bool _busy;

    /// <summary>The cluster went on without it, which it learns when it can.</summary>
    public bool Downed { get; set; }

    public bool Hangs { get; set; }

    public void Restart(double after)
    {
        if (Alive)
            Crash();
        World.After(after, Start);
    }

    public override void Receive(object message, IActorRef sender)
    {
        switch (message)
        {
            case WorkerAccepted accepted:
                Do(_worker.Accepted(accepted, sender));
                break;
            case AssignUnit assign:
                Do(_worker.Assign(assign, sender));
                break;
            case HoldWeights hold:
                Do(_worker.Hold(hold, sender));
                break;
            case WorkerRefused refused:
                Do(_worker.Refused(refused, sender));
                break;
            case RunEnded ended:
                Do(_worker.Ended(ended, sender));
                break;
        }
    }

    public override void Lost(Node other)
    {
        if (other is not LearnerNode)
            return;
        if (_worker.Queue.Path?.Address.Host == $"host{other.Index}")
            Do(_worker.Lost(_worker.Queue, Time));
        if (!World.Nodes.OfType<LearnerNode>().Any(learner => World.Sees(this, learner)))
            Restart(1); // Its side of the cluster has no learner, and is downed.
    }

    public override void Gone(Node node, FakeRef actor)
    {
        Do(_worker.Lost(actor, Time));
        // A learner that is started again starts another cluster.
        if (node is LearnerNode && !World.Nodes.OfType<LearnerNode>().Any(learner => learner != node && World.Sees(this, learner)))
            Restart(1);
    }

    protected override void Started()
    {
        _worker = new PullingWorker(new WorkerId($"{Name}-{Incarnation}"), "cpu", TimeSpan.FromMinutes(1));
        (_model, _content, _held, _busy, Downed, Hangs) = ("", "", "", false, false, false);
        Do(_worker.Look());
    }

    protected override void Beat()
    {
        if (Downed && World.Nodes.OfType<LearnerNode>().Any(learner => learner.Leads && World.Reaches(this, learner)))
        {
            Restart(1);
            return;
        }
        var learners = World.Nodes.OfType<LearnerNode>().Count(learner => World.Sees(this, learner));
        Do(_worker.Beat(Time, World.Nodes.Count, learners));
        if (lies && _worker.Queue is FakeRef queue && World.Dice.Chance(0.2))
            foreach (var learner in World.Nodes.OfType<LearnerNode>().Where(node => node.Self.Equals(queue)))
                foreach (var unit in learner.OpenUnits.Where(_ => World.Dice.Chance(0.3)))
                    Tell(queue, unit);
    }

    /// <summary>Of a unit that it may never have been given.</summary>
    private void Tell(FakeRef queue, RolloutUnit unit)
    {
        var forged = Engine.Make(unit, unit.Weights.Digest, _model, forged: true);
        World.Send(Self, queue, new CompleteUnit(_worker.Id, unit.Id, unit.Weights.Digest, forged, _worker.Run));
    }

    private void Do(PullingWorker worker)
    {
        _worker = worker.Done();
        foreach (var effect in worker.Effects)
            Do(effect);
    }

    private void Do(WorkerEffect effect)
    {
        switch (effect)
        {
            case WorkerEffect.Register(var run):
                foreach (var learner in World.Nodes.OfType<LearnerNode>())
                    World.Send(
                        Self,
                        learner.Self,
                        new RegisterWorker(_worker.Id, "cpu", ProductVersion.Text, "", $"http://{Name}") { MachineClass = "m", Run = run }
                    );
                break;
            case WorkerEffect.Send(var to, var message):
                World.Send(Self, to, message);
                break;
            case WorkerEffect.Build(var setup):
                Work("is built", World.Dice.Between(1, 3), () =>
                {
                    (_model, _content, _held) = (setup.ModelUrl, "", "");
                    return _worker.Ready("");
                });
                break;
            case WorkerEffect.Take(var hold):
                Genuine(hold.Weights.Digest);
                var wanted = hold.Weights.Digest;
                Work("takes weights", World.Dice.Between(0.1, 1.5), () =>
                {
                    (_content, _held) = (Fetched(wanted), wanted);
                    return _worker.Settled(null, _held);
                });
                break;
            case WorkerEffect.Execute(var assign):
                Genuine(assign.Unit.Id.Value);
                var (hangs, held) = (Hangs, _held);
                Hangs = false;
                var result = Result((RolloutUnit)assign.Unit);
                Work("does a unit", hangs ? 1e9 : World.Dice.Between(0.3, 3), () =>
                    _worker.Settled(new CompleteUnit(_worker.Id, assign.Unit.Id, held, result, assign.Run), _held)
                );
                break;
            case WorkerEffect.End(var reason):
                if (!lies && reason is DfpoException { Code: "worker/refused" })
                    throw new ViolationException($"{Name} is honest and was refused: {reason.Message}");
                if (reason is null)
                    Crash();
                else
                    Restart(3); // Whoever started it starts another.
                break;
        }
    }

    private RolloutResult Result(RolloutUnit unit)
    {
        if (!lies || World.Dice.Chance(0.5))
            return Engine.Make(unit, _content, _model);
        var forged = Engine.Make(unit, _content, _model, forged: true);
        return World.Dice.Chance(0.3) ? new([forged.Sequences[0] with { Tokens = [Engine.Vocabulary + 1, 0] }]) : forged;
    }

    /// <summary>What the network brings is often damaged; what is taken is what the checksum says.</summary>
    private string Fetched(string wanted)
    {
        Span<byte> checksum = stackalloc byte[WeightsDigest.ChecksumBytes];
        WeightsDigest.Checksum(Encoding.UTF8.GetBytes(wanted), checksum);
        while (true)
        {
            var bytes = Encoding.UTF8.GetBytes(wanted);
            if (World.Dice.Chance(0.2))
                bytes[World.Dice.Next(bytes.Length)] ^= 1;
            if (WeightsDigest.Matches(bytes, checksum))
                return Encoding.UTF8.GetString(bytes);
        }
    }

    private void Work(string what, double seconds, Func<PullingWorker> done)
    {
        if (_busy)
            throw new ViolationException($"the engine of {Name} {what} while it is at something else");
        _busy = true;
        World.Later(this, seconds, () =>
        {
            _busy = false;
            Do(done());
        });
    }

    private void Genuine(string what)
    {
        if (what.StartsWith(StrangerNode.Mark, StringComparison.Ordinal))
            throw new ViolationException($"{Name} works for a stranger");
    }
}
