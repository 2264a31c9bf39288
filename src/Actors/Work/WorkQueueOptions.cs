namespace DfPO.Actors.Work;

/// <summary>How a queue deals with trouble.</summary>
public sealed record WorkQueueOptions
{
    /// <summary>Role of its workers, for messages.</summary>
    public required string Role { get; init; }

    /// <summary>Told to each worker that registers.</summary>
    public required WorkerSetup Setup { get; init; }

    /// <summary>Lease of a unit.</summary>
    public required TimeSpan UnitTimeout { get; init; }

    /// <summary>Failed attempts after which a unit is given up; at least 1.</summary>
    public required int MaxAttempts { get; init; }

    /// <summary>Units are given up when nobody was there to do them for so long.</summary>
    public required TimeSpan WorkerPatience { get; init; }

    /// <summary>Told the number of workers when it changes; called on the actor's thread, so it must be quick.</summary>
    public Action<int> WorkersChanged { get; init; } = _ => { };

    /// <summary>
    /// Told, every few seconds, that so many units wait while nobody is there to do them, since when, and how long they may.
    /// </summary>
    public Action<int, TimeSpan, TimeSpan> WorkersAwaited { get; init; } = (_, _, _) => { };

    /// <summary>Told what happens to workers; called on the actor's thread, so it must be quick.</summary>
    public Action<WorkEvent> Happened { get; init; } = _ => { };

    /// <summary>Fingerprint of the model folder that <see cref="Setup"/> names, which a worker's own must have; empty where there is
    /// none.</summary>
    public string ModelDigest { get; init; } = "";

    /// <summary>What results may be.</summary>
    public ResultCheck Check { get; init; } = new();

    /// <summary>Share of the units that a second worker does again, so that both can be compared; in [0, 1].</summary>
    public double Audit { get; init; }

    /// <summary>Decides which units: nobody but this queue knows it.</summary>
    public ulong AuditSecret { get; init; }

    /// <summary>Receivers that one holder of weights serves; more than that fetch from each other.</summary>
    public int RelayFanOut { get; init; } = 8;
}
