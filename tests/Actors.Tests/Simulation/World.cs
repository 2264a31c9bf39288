using Akka.Actor;

namespace DfPO.Actors.Tests.Simulation;

/// <summary>What must hold did not.</summary>
internal sealed class ViolationException(string what) : Exception(what);

/// <summary>
/// Virtual time, the processes, and the network between them. Single-threaded: everything happens in the order of the time.
/// </summary>
internal sealed class World(Plan plan)
{
    // As the cluster is tuned: out of sight after so long, and removed after so long.
    private const double OutOfSight = 5,
        Removed = 9;
    private readonly PriorityQueue<Action, (double At, long Number)> _events = new();
    private readonly Dictionary<string, Node> _refs = [];
    private readonly Dictionary<(Node Watcher, Node Watched), double> _seen = [];
    private long _number;

    public Plan Plan => plan;

    public Dice Dice { get; } = new(plan.Seed + 1);

    /// <summary>Seconds.</summary>
    public double Now { get; private set; }

    /// <summary>When the last disturbance was over.</summary>
    public double Quiet { get; set; }

    public List<Node> Nodes { get; } = [];

    public double SlowNetworkUntil { get; set; }

    public double LossUntil { get; set; }

    public double DuplicatesUntil { get; set; }

    public double SlowDiskUntil { get; set; }

    public void After(double seconds, Action action) => _events.Enqueue(action, (Now + seconds, _number++));

    /// <summary>Runs until it is done.</summary>
    public void Run(Func<bool> done, double longest)
    {
        After(1, Look);
        while (!done())
        {
            if (!_events.TryDequeue(out var action, out var when))
                throw new ViolationException("nothing happens any more");
            Now = when.At;
            if (Now - Quiet > longest)
                throw new ViolationException($"stuck: the run has not ended {longest} s after the last disturbance");
            action();
        }
    }

    public FakeRef Ref(Node node)
    {
        var made = new FakeRef($"{node.Name}-{node.Incarnation}", $"host{node.Index}");
        _refs[made.Path.Name] = node;
        return made;
    }

    /// <summary>An event of a process: it happens when the process runs, and not at all when it has died meanwhile.</summary>
    public void Later(Node node, double seconds, Action action)
    {
        var incarnation = node.Incarnation;
        void Try()
        {
            if (!node.Alive || node.Incarnation != incarnation)
                return;
            if (Now < node.SuspendedUntil)
                After(node.SuspendedUntil - Now, Try);
            else
                action();
        }
        After(seconds, Try);
    }

    public void Send(IActorRef from, IActorRef to, object message)
    {
        if (!_refs.TryGetValue(to.Path.Name, out var target))
            return;
        var copies = Now < DuplicatesUntil && Dice.Chance(0.3) ? 2 : 1;
        for (var copy = 0; copy < copies; copy++)
        {
            if (Now < LossUntil && Dice.Chance(0.3))
                continue;
            var delay = Now < SlowNetworkUntil && Dice.Chance(0.5) ? Dice.Between(0, 4) : Dice.Between(0.001, 0.02);
            var name = to.Path.Name;
            After(delay, () =>
            {
                var sender = _refs.GetValueOrDefault(from.Path.Name);
                if (target.Self.Path.Name == name && (sender is null || Reaches(sender, target)))
                    Later(target, 0, () => target.Receive(message, from));
            });
        }
    }

    /// <summary>Whether a network leads from one process to another.</summary>
    public bool Reaches(Node one, Node other) => one == other || (Now >= one.PartedUntil && Now >= other.PartedUntil);

    /// <summary>Whether a process has been heard of lately.</summary>
    public bool Sees(Node watcher, Node watched) => Now - _seen.GetValueOrDefault((watcher, watched), Now) < Removed;

    /// <summary>The failure detector of each process, and what the cluster does about what it finds.</summary>
    private void Look()
    {
        foreach (var watcher in Nodes)
            foreach (var watched in Nodes.Where(other => other != watcher))
            {
                var pair = (watcher, watched);
                var heard = watched.Alive && Now >= watched.SuspendedUntil && Reaches(watcher, watched);
                // Who stood still hears of the others at once when it goes on.
                if (heard || !watcher.Alive || Now < watcher.SuspendedUntil)
                {
                    if (Now - _seen.GetValueOrDefault(pair, Now) > OutOfSight && watcher.Alive && Now >= watcher.SuspendedUntil)
                        watcher.Sighted(watched);
                    _seen[pair] = Now;
                    continue;
                }
                var silence = Now - _seen.GetValueOrDefault(pair, Now);
                _seen.TryAdd(pair, Now);
                if (silence >= Removed && silence < Removed + 1)
                    watcher.Lost(watched);
                else if (silence >= OutOfSight && silence < OutOfSight + 1)
                    watcher.OutOfSight(watched);
            }
        After(1, Look);
    }
}

/// <summary>A process.</summary>
internal abstract class Node
{
    protected Node(World world, int index, string name)
    {
        (World, Index, Name) = (world, index, name);
        world.Nodes.Add(this);
    }

    public World World { get; }

    public int Index { get; }

    public string Name { get; }

    public int Incarnation { get; private set; }

    public bool Alive { get; private set; }

    public double SuspendedUntil { get; set; }

    public double PartedUntil { get; set; }

    public FakeRef Self { get; private set; } = new("nobody");

    /// <summary>The process's own clock, which is the one that counts what it does.</summary>
    protected Timing.ActiveClock Clock { get; private set; } = null!;

    protected TimeSpan Time => Clock.Now;

    public void Start()
    {
        Incarnation++;
        Alive = true;
        Self = World.Ref(this);
        Clock = new Timing.ActiveClock(new VirtualTime(World), TimeSpan.FromSeconds(3));
        Started();
        Tick();
    }

    public virtual void Crash()
    {
        Alive = false;
        // The cluster of the others notices, even if the next incarnation is there by then: that one is another node.
        var gone = Self;
        foreach (var other in World.Nodes.Where(node => node != this && node.Alive))
            World.Later(other, World.Dice.Between(6, 10), () => other.Gone(this, gone));
    }

    public virtual void Gone(Node node, FakeRef actor) { }

    public abstract void Receive(object message, IActorRef sender);

    public virtual void OutOfSight(Node other) { }

    public virtual void Sighted(Node other) { }

    public virtual void Lost(Node other) { }

    protected abstract void Started();

    protected abstract void Beat();

    private void Tick()
    {
        Beat();
        World.Later(this, 1, Tick);
    }

    private sealed class VirtualTime(World world) : TimeProvider
    {
        public override long TimestampFrequency => 1_000_000;

        public override long GetTimestamp() => (long)(world.Now * 1_000_000);
    }
}
