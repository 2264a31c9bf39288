namespace DfPO.Actors.Tests.Simulation;

/// <summary>
/// Runs plans on virtual time: the program's own decisions (queue, ledger, worker, schedule, clock, checks) in one process, under the
/// faults of the plan. Equal plans happen equally, everywhere.
/// </summary>
public static class Simulator
{
    // Longer than everything that has a deadline: a lease, a patience, a restart, one after the other.
    private const double Longest = 1800;

    /// <summary>Runs the plans of seeds one after the other.</summary>
    /// <returns>What the first failing one did wrong, with the smallest plan that does it still; null when all hold.</returns>
    public static string? FirstFailure(ulong first, int count)
    {
        for (var seed = first; seed < first + (ulong)count; seed++)
            if (Failure(Plan.Of(seed)) is { } what)
            {
                var small = Shrunk(Plan.Of(seed));
                return $"{what}\n{Plan.Of(seed)}\nshrunk ({Failure(small)}):\n{small}";
            }
        return null;
    }

    /// <summary>What a plan does wrong; null when all holds.</summary>
    internal static string? Failure(Plan plan)
    {
        try
        {
            Run(plan);
            return null;
        }
        catch (ViolationException e)
        {
            return e.Message;
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            return $"{e.GetType().Name}: {e.Message}"; // A decision that breaks is no better than a wrong one.
        }
    }

    /// <summary>The plan without what is not needed for it to fail.</summary>
    internal static Plan Shrunk(Plan plan)
    {
        for (var shrinks = true; shrinks;)
        {
            shrinks = false;
            foreach (var smaller in Smaller(plan))
                if (Failure(smaller) is not null)
                {
                    (plan, shrinks) = (smaller, true);
                    break;
                }
        }
        return plan;
    }

    private static IEnumerable<Plan> Smaller(Plan plan)
    {
        for (var i = 0; i < plan.Faults.Count; i++)
            yield return plan with { Faults = [.. plan.Faults.Take(i), .. plan.Faults.Skip(i + 1)] };
        if (plan.Stranger)
            yield return plan with { Stranger = false };
        if (plan.Standby)
            yield return plan with { Standby = false };
        if (plan.Staleness > 0)
            yield return plan with { Staleness = plan.Staleness - 1 };
        if (plan.Workers > (plan.Liar ? 3 : 1))
            yield return plan with { Workers = plan.Workers - 1 };
        if (plan.Liar)
            yield return plan with { Liar = false };
    }

    private static void Run(Plan plan)
    {
        var world = new World(plan);
        var (disk, other) = (new RunDisk("a", "model-a"), new RunDisk("b", "model-b"));
        var learner = new LearnerNode(world, 0, "learner", disk, standby: false);
        var workers = Enumerable
            .Range(1, plan.Workers)
            .Select(i => new WorkerNode(world, i, plan.Liar && i == plan.Workers))
            .ToArray();
        var stranger = plan.Stranger ? new StrangerNode(world, 100) : null;
        var standby = plan.Standby ? new LearnerNode(world, 101, "standby", disk, standby: true) : null;
        var intruder = new LearnerNode(world, 0, "other", other, standby: false);
        foreach (var node in world.Nodes.Where(node => node != intruder).ToArray())
            node.Start();
        foreach (var fault in plan.Faults)
            world.After(fault.At, () => Disturb(world, fault, learner, intruder, workers));
        world.Run(() => disk.Result is not null, Longest);
        var tainted = learner.Tainted || standby is { Tainted: true };
        if (!tainted && plan.Staleness == 0 && disk.Result != Engine.Undisturbed("a", "model-a", LearnerNode.Iterations, 3))
            throw new ViolationException("the weights are not those of an undisturbed run");
        if (disk.Journal.Count != LearnerNode.Iterations)
            throw new ViolationException($"the journal has {disk.Journal.Count} updates");
    }

    private static void Disturb(World world, Fault fault, LearnerNode learner, LearnerNode intruder, WorkerNode[] workers)
    {
        var end = world.Now + fault.For;
        world.Quiet = Math.Max(world.Quiet, end);
        Node node = fault.Node == 0 || workers.Length == 0 ? learner : workers[(fault.Node - 1) % workers.Length];
        switch (fault.Kind)
        {
            case FaultKind.Crash:
                Restart(world, node, fault.For);
                break;
            case FaultKind.Suspend:
                node.SuspendedUntil = Math.Max(node.SuspendedUntil, end);
                break;
            case FaultKind.Partition:
                node.PartedUntil = Math.Max(node.PartedUntil, end);
                break;
            case FaultKind.Lid:
                foreach (var each in world.Nodes)
                    each.SuspendedUntil = Math.Max(each.SuspendedUntil, end);
                break;
            case FaultKind.Hang when node is WorkerNode worker:
                worker.Hangs = true;
                var (incarnation, killed) = (worker.Incarnation, world.Plan.Workers > 1 && !world.Plan.Liar ? 400 : 60);
                world.Quiet = Math.Max(world.Quiet, world.Now + killed);
                world.After(killed, () =>
                {
                    if (worker.Alive && worker.Incarnation == incarnation)
                        worker.Restart(1);
                });
                break;
            case FaultKind.OtherRun when learner.Alive && !intruder.Alive:
                learner.Crash();
                intruder.Start();
                world.After(fault.For, () =>
                {
                    intruder.Crash();
                    learner.Start();
                });
                break;
            case FaultKind.SlowNetwork:
                world.SlowNetworkUntil = Math.Max(world.SlowNetworkUntil, end);
                break;
            case FaultKind.Loss:
                world.LossUntil = Math.Max(world.LossUntil, end);
                break;
            case FaultKind.Duplicates:
                world.DuplicatesUntil = Math.Max(world.DuplicatesUntil, end);
                break;
            case FaultKind.SlowDisk:
                world.SlowDiskUntil = Math.Max(world.SlowDiskUntil, end);
                break;
        }
    }

    private static void Restart(World world, Node node, double after)
    {
        if (!node.Alive)
            return;
        if (node is WorkerNode worker)
        {
            worker.Restart(after);
            return;
        }
        node.Crash();
        world.After(after, () =>
        {
            if (!node.Alive)
                node.Start();
        });
    }
}
