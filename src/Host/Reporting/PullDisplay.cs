using System.Globalization;
using DfPO.Models.Hub;

namespace DfPO.Host.Reporting;

/// <summary>Shows a pull: a line a file, and on a terminal how far it has come.</summary>
/// <param name="writer">Usually stderr.</param>
/// <param name="interactive">Whether a line can be written over.</param>
/// <param name="quiet">Shows nothing.</param>
/// <param name="time">For the rate and for how often the line is renewed.</param>
internal sealed class PullDisplay(TextWriter writer, bool interactive, bool quiet, TimeProvider? time = null)
{
    private static readonly TimeSpan s_renewal = TimeSpan.FromMilliseconds(200);
    private readonly TimeProvider _time = time ?? TimeProvider.System;
    private string _file = "";
    private long _startedAt,
        _shownAt,
        _startedWith;

    /// <summary>Takes news.</summary>
    public void Report(PullProgress progress)
    {
        if (quiet)
            return;
        var now = _time.GetTimestamp();
        if (progress.File.Name != _file)
            (_file, _startedAt, _shownAt, _startedWith) = (
                progress.File.Name,
                now,
                0,
                progress.Done ? progress.File.Size : progress.FileBytes
            );
        var what = $"{progress.File.Name}  {Size(progress.FileBytes)} of {Size(progress.File.Size)}{Rate(progress, now)}";
        if (progress.Done)
            writer.WriteLine(
                interactive
                    ? $"\r{$"{progress.File.Name}  {Size(progress.File.Size)}",-78}"
                    : $"{progress.File.Name}  {Size(progress.File.Size)}"
            );
        else if (interactive && (_shownAt == 0 || _time.GetElapsedTime(_shownAt, now) >= s_renewal))
        {
            _shownAt = now;
            writer.Write($"\r{what,-78}");
        }
    }

    /// <summary>A size as people write it.</summary>
    public static string Size(long bytes) =>
        bytes switch
        {
            < 1000 => $"{bytes} B",
            < 1_000_000 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e3:F1} kB"),
            < 1_000_000_000 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:F1} MB"),
            _ => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e9:F2} GB"),
        };

    private string Rate(PullProgress progress, long now)
    {
        var seconds = _time.GetElapsedTime(_startedAt, now).TotalSeconds;
        return seconds < 0.5 ? "" : $"  {Size((long)((progress.FileBytes - _startedWith) / seconds))}/s";
    }
}
