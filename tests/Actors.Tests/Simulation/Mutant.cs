namespace DfPO.Actors.Tests.Simulation;

/// <summary>A bug to plant in the program's source.</summary>
/// <param name="Bug">What it is, in words.</param>
/// <param name="File">The source file, below <c>src/Actors</c>.</param>
/// <param name="Right">What stands there once.</param>
/// <param name="Wrong">What the bug makes of it.</param>
public sealed record Mutant(string Bug, string File, string Right, string Wrong)
{
    /// <summary>Bugs that the simulator must find.</summary>
    public static IReadOnlyList<Mutant> All { get; } =
    [
        new("the queue does not look at who sends", "Work/WorkQueue.cs", "&& worker.Ref.Equals(sender) ? worker : null", "? worker : null"),
        new(
            "results come from workers that were never given the unit",
            "Work/WorkLedger.cs",
            "return Unused(this, CompletionVerdict.NotAssigned);",
            "machineClass = \"m\";"
        ),
        new("token ids are not checked", "Work/ResultCheck.cs", "(Vocabulary > 0 && token >= Vocabulary)", "false"),
        new("what a lost worker had stays with it", "Work/WorkQueue.cs", "Ledger = Ledger.Lose(id) };", "Ledger = Ledger };"),
        new("leases never run out", "Work/WorkQueue.cs", "Ledger = Ledger.Expire(now)", "Ledger = Ledger"),
        new(
            "a unit goes to a worker with other weights",
            "Work/WorkQueue.cs",
            "is { } weights && weights.Needed != worker.HeldDigest)",
            "is { } weights && weights.Needed.Length == 0)"
        ),
        new("a result of other weights is taken", "Work/WorkLedger.cs", "if (!entry.Fits(heldDigest))", "if (heldDigest == \"-\")"),
        new("a unit that is done is not forgotten", "Work/WorkLedger.cs", "Entries = Entries.Remove(id),", "Entries = Entries,"),
        new("a second result of a unit counts as well", "Work/WorkLedger.cs", "if (Done.Contains(id))\n            return Unused", "if (Done.Contains(new(\"-\")))\n            return Unused"),
        new("a worker's loss is held against its unit", "Work/WorkLedger.cs", "Attempts = entry.Attempts - 1", "Attempts = entry.Attempts"),
        new(
            "what is handed out again does not come back into the queue",
            "Work/WorkLedger.cs",
            "Queue = Queue.Contains(id) ? Queue : Queue.Insert(0, id),",
            "Queue = Queue,"
        ),
        new(
            "a worker audits itself",
            "Work/WorkLedger.cs",
            "(Candidates.TrueForAll(made => made.Worker != worker) && ",
            "(true && "
        ),
        new("an audit compares tokens alone", "Work/UnitResultBits.cs", "&& Same(a.Logprobs, b.Logprobs)", ""),
        new("an audit benches who agreed", "Work/WorkLedger.cs", "[.. entry.Candidates.Remove(same).Select", "[.. entry.Candidates.Select"),
        new(
            "the vote of a worker that left counts",
            "Work/WorkLedger.cs",
            "var candidates = entry.Candidates.RemoveAll(made => made.Worker == worker);",
            "var candidates = entry.Candidates;"
        ),
        new("a worker takes a second unit", "Work/PullingWorker.cs", "return Busy || !Built\n", "return !Built\n"),
        new("a worker takes weights while it works", "Work/PullingWorker.cs", "!sender.Equals(Queue) || Busy || !Built ? this", "!sender.Equals(Queue) || !Built ? this"),
        new("a worker works for whoever asks", "Work/PullingWorker.cs", "!sender.Equals(Queue) || message.Run != Run", "message.Run != Run"),
        new("a worker ends when anybody says so", "Work/PullingWorker.cs", "!sender.Equals(Queue)\n            ? this\n            : With(\n                new WorkerEffect.End(\n                    message.Failure", "sender.IsNobody()\n            ? this\n            : With(\n                new WorkerEffect.End(\n                    message.Failure"),
        new("the engine of another run is kept", "Work/WorkProtocol.cs", "(Run, Fingerprint) == (other.Run, other.Fingerprint)", "other.Run.Length > 0"),
        new("a worker waits for a learner that is gone", "Work/PullingWorker.cs", "this with { Queue = ActorRefs.Nobody, Alone = now }", "this with { Alone = now }"),
        new("time in which nothing ran counts", "Timing/ActiveClock.cs", "passed < step ? passed : step", "passed"),
        new("units are learnt that are one version too old", "Experiments/AsyncSchedule.cs", "version - unit.Version > MaxStaleness)", "version - unit.Version > MaxStaleness + 1)"),
        new("units are learnt in the order of their arrival", "Experiments/AsyncSchedule.cs", "Arrived.OrderBy(unit => unit.Number)", "Arrived.OrderBy(_ => 0)"),
        new("a resumed run learns units again", "Experiments/AsyncSchedule.cs", ".Where(number => !Learnt.Contains(number))", ""),
        new("damaged weights are taken", "Weights/WeightsDigest.cs", "return found.SequenceEqual(checksum);", "return found.Length == checksum.Length;"),
        new(
            "what never arrived is not missed",
            "Work/WorkQueue.cs",
            "Ledger.Miss(worker.Id, now - s_delivery + Options.UnitTimeout)",
            "Ledger.Miss(worker.Id, TimeSpan.Zero)"
        ),
    ];
}
