using System.Security.Cryptography;
using System.Text;
using DfPO.Models;

namespace DfPO.Host.Studies;

/// <summary>One run of a study.</summary>
/// <param name="Name">Its name, unlike any other of the study and fit for a folder.</param>
/// <param name="Task">The task.</param>
/// <param name="Algorithm">The algorithm.</param>
/// <param name="Point">Label of its point in the sweeps; empty when nothing is swept.</param>
/// <param name="Seed">Its seed.</param>
/// <param name="Experiment">HOCON file of the experiment.</param>
/// <param name="Settings">What is laid over the file, later ones winning.</param>
/// <param name="Alone">Whether it wants the whole machine.</param>
internal sealed record Trial(
    string Name,
    string Task,
    string Algorithm,
    string Point,
    ulong Seed,
    string Experiment,
    IReadOnlyList<Setting> Settings,
    bool Alone
)
{
    /// <summary>What trials that differ in nothing but their seeds have in common.</summary>
    public string Group => string.Join(" ", new[] { Task, Algorithm, Point }.Where(part => part.Length > 0));

    /// <summary>SHA-256, in hex, of all that makes the trial.</summary>
    public string Digest() =>
        Convert.ToHexStringLower(
            SHA256.HashData(
                Encoding.UTF8.GetBytes(string.Join("\n", [Name, Experiment, .. Settings.Select(setting => setting.ToString())]))
            )
        );
}

/// <summary>
/// The trials of a study: a pure function of its file. Seeds are the outermost order, so that a study that is cut short has compared all
/// settings with some seeds.
/// </summary>
internal sealed record StudyPlan(string Name, IReadOnlyList<Trial> Trials, Halving? Halving)
{
    private const int LongestName = 150;

    /// <summary>Makes the trials.</summary>
    /// <exception cref="DfpoException"><c>study/duplicate</c>: two trials of one name.</exception>
    public static StudyPlan Of(StudySpec spec)
    {
        Trial[] trials =
        [
            .. from seed in spec.Seeds
            from task in spec.Tasks
            from algorithm in spec.Algorithms
            from shared in spec.Sweep.Points()
            from own in algorithm.Sweep.Points()
            select Make(spec, task, algorithm, shared.With(own), seed),
        ];
        if (trials.GroupBy(trial => trial.Name).FirstOrDefault(group => group.Count() > 1) is { } twice)
            throw new DfpoException(
                "study/duplicate",
                $"Study '{spec.Name}' makes trial '{twice.Key}' {twice.Count()} times: a seed, a task's name or a swept value stands there twice. Remove one."
            );
        return new(spec.Name, trials, spec.Halving);
    }

    private static Trial Make(StudySpec spec, StudyTask task, StudyAlgorithm algorithm, SweepPoint point, ulong seed)
    {
        var name = NameOf(string.Join(".", new[] { task.Name, algorithm.Name, point.Label, $"s{seed}" }.Where(part => part.Length > 0)));
        return new(
            name,
            task.Name,
            algorithm.Name,
            point.Label,
            seed,
            task.Experiment,
            [.. spec.Settings, .. task.Settings, .. algorithm.Settings, .. point.Settings, new("seed", $"{seed}"), new("name", name)],
            task.Alone
        );
    }

    // Names are folders, too.
    private static string NameOf(string text)
    {
        var name = string.Concat(text.Select(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' ? c : '_'));
        return name == text && name.Length <= LongestName
            ? name
            : $"{name[..Math.Min(name.Length, LongestName)]}-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..8]}";
    }
}
