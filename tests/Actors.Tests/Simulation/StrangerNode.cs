using Akka.Actor;
using DfPO.Actors.Weights;
using DfPO.Actors.Work;
using DfPO.Models;
using DfPO.Rollout;
using static DfPO.Actors.Work.WorkProtocol;

namespace DfPO.Actors.Tests.Simulation;

/// <summary>A node that joined unasked, and says to everybody what others would say.</summary>
internal sealed class StrangerNode(World world, int index) : Node(world, index, Mark)
{
    public const string Mark = "stranger";

    public override void Receive(object message, IActorRef sender) { }

    protected override void Started() { }

    protected override void Beat()
    {
        foreach (var learner in World.Nodes.OfType<LearnerNode>().Where(node => node.Leads))
        {
            foreach (var worker in learner.Workers)
            {
                foreach (var unit in learner.OpenUnits.Where(_ => World.Dice.Chance(0.3)))
                {
                    var forged = Engine.Make(unit, unit.Weights.Digest, learner.Disk.Model, forged: true);
                    Say(learner, new CompleteUnit(worker.Id, unit.Id, unit.Weights.Digest, forged, learner.Disk.Run));
                    Say(learner, new FailUnit(worker.Id, unit.Id, "so there"));
                }
                Say(learner, new LeaveQueue(worker.Id));
                Say(learner, new RequestWork(worker.Id, "lies"));
            }
            var work = new RolloutUnit(
                new UnitId(Mark),
                [new GenerationRequest([1], 1)],
                new GenerationOptions { MaxNewTokens = 2 },
                new WeightsRef(0, Mark, 1, ""),
                EndOfText.None
            );
            foreach (var worker in World.Nodes.OfType<WorkerNode>())
            {
                Say(worker, new AssignUnit(work, "", learner.Disk.Run));
                Say(worker, new HoldWeights(work.Weights, ""));
                if (learner.Workers.Any(known => known.Ref.Equals(worker.Self)))
                    Say(worker, new RunEnded(""));
            }
        }
    }

    private void Say(Node to, object message)
    {
        if (World.Dice.Chance(0.1))
            World.Send(Self, to.Self, message);
    }
}
