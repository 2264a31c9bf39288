namespace DfPO.Host.Studies;

/// <summary>A study as its file describes it: every algorithm with every point of its sweeps on every task, with every seed.</summary>
/// <param name="Name">Its name, which its folder takes.</param>
/// <param name="Tasks">Experiment files.</param>
/// <param name="Algorithms">Settings to compare.</param>
/// <param name="Seeds">Seeds of each of them.</param>
/// <param name="Settings">Settings of all trials.</param>
/// <param name="Sweep">Points that every algorithm takes.</param>
/// <param name="Halving">When to stop hopeless trials; null never does.</param>
internal sealed record StudySpec(
    string Name,
    IReadOnlyList<StudyTask> Tasks,
    IReadOnlyList<StudyAlgorithm> Algorithms,
    IReadOnlyList<ulong> Seeds,
    IReadOnlyList<Setting> Settings,
    Sweep Sweep,
    Halving? Halving
);

/// <summary>A task.</summary>
/// <param name="Name">Its name in the trials' names.</param>
/// <param name="Experiment">HOCON file of the experiment.</param>
/// <param name="Alone">Whether its trials want the whole machine.</param>
/// <param name="Settings">Settings of its trials.</param>
internal sealed record StudyTask(string Name, string Experiment, bool Alone, IReadOnlyList<Setting> Settings);

/// <summary>An algorithm.</summary>
/// <param name="Name">Its name in the trials' names.</param>
/// <param name="Settings">What makes it, such as its preset.</param>
/// <param name="Sweep">Points of its own.</param>
internal sealed record StudyAlgorithm(string Name, IReadOnlyList<Setting> Settings, Sweep Sweep);

/// <summary>A key of the experiment and its value, as <c>--set</c> takes them.</summary>
internal readonly record struct Setting(string Key, string Value)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Key}={Value}";
}
