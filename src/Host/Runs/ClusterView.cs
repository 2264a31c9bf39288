using System.Text.Json.Nodes;

namespace DfPO.Host.Runs;

/// <summary>A worker, or the learner, as the lines of <c>cluster.jsonl</c> tell of it.</summary>
/// <param name="Role">Its role.</param>
/// <param name="Id">Its identity.</param>
internal sealed record ClusterWorker(string Role, string Id)
{
    /// <summary>Its device; empty where it is not known.</summary>
    public string Device { get; init; } = "";

    /// <summary><c>idle</c>, <c>working</c>, <c>fetching</c>, <c>out of sight</c>, <c>gone</c> or <c>rejected</c>.</summary>
    public string State { get; init; } = "idle";

    /// <summary>The unit in hand; empty for none.</summary>
    public string Unit { get; init; } = "";

    /// <summary>Version of the weights that it was last asked to hold; null for none.</summary>
    public int? Version { get; init; }

    /// <summary>Units whose results counted.</summary>
    public int Done { get; init; }

    /// <summary>Results that did not count.</summary>
    public int Refused { get; init; }

    /// <summary>Units that failed or took too long.</summary>
    public int Failed { get; init; }

    /// <summary>Tokens generated, texts rewarded, or tokens learnt.</summary>
    public long Count { get; init; }

    /// <summary>Milliseconds at those units.</summary>
    public long Busy { get; init; }

    /// <summary>Why it failed, left or was rejected, the last time; else empty.</summary>
    public string Reason { get; init; } = "";

    /// <summary>Milliseconds since 1970 of the last event.</summary>
    public long Seen { get; init; }

    /// <summary>Milliseconds since 1970 at which the unit in hand was given.</summary>
    public long Since { get; init; }

    /// <summary>As JSON.</summary>
    public JsonObject ToJson() =>
        new()
        {
            ["role"] = Role,
            ["worker"] = Id,
            ["device"] = Device,
            ["state"] = State,
            ["unit"] = Unit,
            ["version"] = Version,
            ["done"] = Done,
            ["refused"] = Refused,
            ["failed"] = Failed,
            ["count"] = Count,
            ["busy"] = Busy,
            ["reason"] = Reason,
            ["seen"] = Seen,
            ["since"] = Since,
        };

    /// <summary>What <see cref="ToJson"/> wrote.</summary>
    public static ClusterWorker Of(JsonObject json) =>
        new((string?)json["role"] ?? "", (string?)json["worker"] ?? "")
        {
            Device = (string?)json["device"] ?? "",
            State = (string?)json["state"] ?? "",
            Unit = (string?)json["unit"] ?? "",
            Version = (int?)json["version"],
            Done = (int?)json["done"] ?? 0,
            Refused = (int?)json["refused"] ?? 0,
            Failed = (int?)json["failed"] ?? 0,
            Count = (long?)json["count"] ?? 0,
            Busy = (long?)json["busy"] ?? 0,
            Reason = (string?)json["reason"] ?? "",
            Seen = (long?)json["seen"] ?? 0,
            Since = (long?)json["since"] ?? 0,
        };
}

/// <summary>A unit that somebody did.</summary>
/// <param name="Role">Its role.</param>
/// <param name="Worker">Who.</param>
/// <param name="Unit">Which.</param>
/// <param name="Start">Milliseconds since 1970.</param>
/// <param name="Milliseconds">How long.</param>
/// <param name="Count">Tokens or texts.</param>
internal readonly record struct ClusterSpan(string Role, string Worker, string Unit, long Start, long Milliseconds, int Count);

/// <summary>
/// Who works for a run and what they did: a fold of the events of <c>cluster.jsonl</c>, for the one who writes them and for those who read.
/// </summary>
internal sealed class ClusterView
{
    /// <summary>Spans that are remembered.</summary>
    public const int Spans = 400;

    private readonly OrderedDictionary<(string Role, string Id), ClusterWorker> _workers = [];
    private readonly Queue<ClusterSpan> _spans = [];

    /// <summary>Everybody who was ever there, in the order of their coming.</summary>
    public IReadOnlyList<ClusterWorker> Workers => [.. _workers.Values];

    /// <summary>The last units that were done.</summary>
    public IReadOnlyCollection<ClusterSpan> Done => _spans;

    /// <summary>The view after all events.</summary>
    public static ClusterView Of(IEnumerable<JsonObject> events)
    {
        var view = new ClusterView();
        foreach (var one in events)
            view.Take(one);
        return view;
    }

    /// <summary>Takes an event. One of an unknown kind says nothing.</summary>
    public void Take(JsonObject line)
    {
        var (kind, at) = ((string?)line["event"] ?? "", (long?)line["t"] ?? 0);
        if (kind == "started")
        {
            // Another process leads from here on: whoever works for it registers anew.
            foreach (var old in _workers.Values.Where(old => old.State is not ("gone" or "rejected")).ToArray())
                _workers[(old.Role, old.Id)] = old with { State = "gone", Unit = "" };
            return;
        }
        if (kind == "snapshot")
        {
            foreach (var worker in (line["workers"] as JsonArray ?? []).OfType<JsonObject>().Select(ClusterWorker.Of))
                _workers[(worker.Role, worker.Id)] = worker;
            return;
        }
        var (role, id) = ((string?)line["role"] ?? "", (string?)line["worker"] ?? "");
        var known = _workers.GetValueOrDefault((role, id)) ?? new ClusterWorker(role, id);
        if (After(known, kind, line, at) is { } next)
            _workers[(role, id)] = next with { Seen = at };
    }

    private ClusterWorker? After(ClusterWorker worker, string kind, JsonObject line, long at)
    {
        var (unit, reason) = ((string?)line["unit"] ?? "", (string?)line["reason"] ?? "");
        switch (kind)
        {
            case "joined":
                return worker with { State = "idle", Unit = "", Device = (string?)line["device"] ?? "" };
            case "left":
                return worker with { State = "gone", Unit = "", Reason = reason };
            case "rejected":
                return worker with { State = "rejected", Device = (string?)line["device"] ?? "", Reason = reason };
            case "fetches":
                return worker with { State = "fetching", Version = (int?)line["version"] };
            case "assigned":
                return worker with { State = "working", Unit = unit, Since = at, Version = (int?)line["version"] ?? worker.Version };
            case "done":
                var took = (long?)line["ms"] ?? (worker.Unit == unit ? at - worker.Since : 0);
                var count = (int?)line["count"] ?? 0;
                _spans.Enqueue(new(worker.Role, worker.Id, unit, at - took, took, count));
                if (_spans.Count > Spans)
                    _spans.Dequeue();
                return Idle(worker) with
                {
                    Done = worker.Done + 1,
                    Count = worker.Count + count,
                    Busy = worker.Busy + took,
                    Version = (int?)line["version"] ?? worker.Version,
                };
            case "refused":
                return Idle(worker) with { Refused = worker.Refused + 1, Reason = reason };
            case "failed":
                return Idle(worker) with { Failed = worker.Failed + 1, Reason = reason };
            case "out-of-sight":
                return worker with { State = "out of sight", Unit = "" };
            case "in-sight":
                return Idle(worker);
            default:
                return null;
        }
    }

    // A late result may come from one that is gone.
    private static ClusterWorker Idle(ClusterWorker worker) =>
        worker.State == "gone" ? worker : worker with { State = "idle", Unit = "" };
}
