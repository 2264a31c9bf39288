namespace DfPO.Actors.Tests.Simulation;

/// <summary>What happens to a process, or to all.</summary>
internal enum FaultKind
{
    /// <summary>It dies, and is started again after a while.</summary>
    Crash,

    /// <summary>It stands still for a while (SIGSTOP), and so do its timers.</summary>
    Suspend,

    /// <summary>Nothing reaches it, and nothing that it says arrives, for a while.</summary>
    Partition,

    /// <summary>The lid of the laptop that all processes run on is closed.</summary>
    Lid,

    /// <summary>Of a worker: the unit that it does next never ends, and the process is killed after a while.</summary>
    Hang,

    /// <summary>Of the learner: it dies, and the learner of another run takes its place for a while.</summary>
    OtherRun,

    /// <summary>Messages take seconds for a while, and overtake each other.</summary>
    SlowNetwork,

    /// <summary>Messages are lost for a while.</summary>
    Loss,

    /// <summary>Messages arrive twice for a while.</summary>
    Duplicates,

    /// <summary>Checkpoints take long for a while.</summary>
    SlowDisk,
}

/// <summary>A fault of a schedule.</summary>
/// <param name="At">When it begins, in seconds of virtual time.</param>
/// <param name="Kind">What happens.</param>
/// <param name="Node">To which process; faults of network and disk concern all.</param>
/// <param name="For">Seconds that it lasts.</param>
internal sealed record Fault(double At, FaultKind Kind, int Node, double For)
{
    public override string ToString() =>
        string.Create(
            System.Globalization.CultureInfo.InvariantCulture,
            $"at {At:F1} s {Kind} of node {Node} for {For:F1} s"
        );
}

/// <summary>A run, and what disturbs it: everything follows from it.</summary>
/// <param name="Seed">Of the delays, the losses and the contents.</param>
/// <param name="Workers">Worker processes, nodes 1 and up; the last one lies where there is a liar. Node 0 is the learner.</param>
/// <param name="Staleness">Versions that generation runs ahead.</param>
/// <param name="Liar">Whether the last worker forges results, all of which are audited.</param>
/// <param name="Stranger">Whether a node that nobody asked talks in others' names.</param>
/// <param name="Standby">Whether another process waits to be the learner.</param>
/// <param name="Faults">In the order of time.</param>
internal sealed record Plan(
    ulong Seed,
    int Workers,
    int Staleness,
    bool Liar,
    bool Stranger,
    bool Standby,
    IReadOnlyList<Fault> Faults
)
{
    /// <summary>The plan of a seed.</summary>
    public static Plan Of(ulong seed)
    {
        var dice = new Dice(seed);
        var workers = 1 + dice.Next(3);
        var liar = dice.Chance(0.3);
        if (liar)
            workers = 3 + dice.Next(2); // Two that are honest decide.
        var kinds = Enum.GetValues<FaultKind>();
        var faults = new List<Fault>();
        for (var count = dice.Next(7); faults.Count < count;)
        {
            var kind = kinds[dice.Next(kinds.Length)];
            var node = dice.Next(workers + 1);
            // Nobody waits for a worker for ever.
            var longest = (kind, node) switch
            {
                (FaultKind.Lid, _) or (FaultKind.Suspend, 0) => 900,
                (FaultKind.Suspend, _) => 60,
                (FaultKind.Partition, _) => 30,
                _ => 20,
            };
            faults.Add(new(dice.Between(1, 60), kind, node, dice.Between(0.5, dice.Chance(0.5) ? longest : 10)));
        }
        return new(seed, workers, dice.Next(3), liar, dice.Chance(0.5), dice.Chance(0.3), [.. faults.OrderBy(fault => fault.At)]);
    }

    public override string ToString() =>
        $"seed {Seed}: {Workers} workers, staleness {Staleness}{(Liar ? ", the last one lies" : "")}{(Stranger ? ", a stranger" : "")}{(Standby ? ", a standby" : "")}"
        + string.Concat(Faults.Select(fault => $"\n  {fault}"));
}

/// <summary>Numbers that a seed gives, in the same order everywhere.</summary>
internal sealed class Dice(ulong seed)
{
    private ulong _drawn;

    public double Uniform() => Models.CounterRandom.Uniform(seed, _drawn++);

    public int Next(int end) => (int)(Uniform() * end);

    public double Between(double low, double high) => low + (Uniform() * (high - low));

    public bool Chance(double probability) => Uniform() < probability;
}
