using System.Globalization;
using System.Text.RegularExpressions;
using DfPO.Actors.Experiments;
using DfPO.Models;
using ZstdSharp;

namespace DfPO.Host.Runs;

/// <summary>
/// The training continuations that a run keeps: a file an iteration, each a zstd frame of JSON lines (<see cref="RolloutLine"/>). A file
/// appears whole or not at all.
/// </summary>
/// <param name="folder">The folder of the files, which the first one creates.</param>
internal sealed partial class KeptRollouts(string folder)
{
    private const int Level = 3;
    private readonly Dictionary<int, string> _pieces = [];
    private SortedDictionary<int, long>? _sizes;

    /// <summary>The iterations that are kept, in order.</summary>
    public IReadOnlyList<int> Iterations() => [.. Files().Select(file => file.Iteration).Order()];

    /// <summary>Keeps an iteration, and drops others where that makes too much.</summary>
    /// <param name="iteration">The iteration.</param>
    /// <param name="samples">Its continuations.</param>
    /// <param name="terms">Names of a combined reward's terms.</param>
    /// <param name="most">Most bytes of all files.</param>
    public void Write(int iteration, IReadOnlyList<TrainingSample> samples, IReadOnlyList<string> terms, long most)
    {
        _sizes ??= new(Files().ToDictionary(file => file.Iteration, file => new FileInfo(file.Path).Length));
        Directory.CreateDirectory(folder);
        var lines = RolloutLine.Write(samples, terms, _pieces);
        using var compressor = new Compressor(Level);
        var packed = compressor.Wrap(lines);
        var path = PathOf(iteration);
        using (var file = File.Create(path + ".partial"))
            file.Write(packed);
        File.Move(path + ".partial", path, overwrite: true);
        _sizes[iteration] = packed.Length;
        foreach (var dropped in Dropped(_sizes, most))
        {
            File.Delete(PathOf(dropped));
            _sizes.Remove(dropped);
        }
    }

    /// <summary>The lines of an iteration, UTF-8, each ended by a line feed.</summary>
    /// <exception cref="DfpoException"><c>runs/rollouts</c>: the iteration is not kept; <c>run/corrupt</c>: its file cannot be
    /// read.</exception>
    public byte[] Read(int iteration)
    {
        var path = PathOf(iteration);
        try
        {
            using var unpack = new Decompressor();
            return unpack.Unwrap(File.ReadAllBytes(path)).ToArray();
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new DfpoException(
                "runs/rollouts",
                Iterations() is { Count: > 0 } kept
                    ? $"'{folder}' keeps no continuations of iteration {iteration}: of the iterations from {kept[0]} to {kept[^1]} it keeps {kept.Count}; the nearest is {kept.MinBy(other => Math.Abs(other - iteration))}."
                    : $"'{folder}' keeps no training continuations: the run had 'record.rollouts = false', or has finished no iteration that draws any."
            );
        }
        catch (ZstdException e)
        {
            throw new DfpoException("run/corrupt", $"'{path}' cannot be read ({e.Message}): put an undamaged copy back, or delete it.", e);
        }
    }

    /// <summary>Changes whenever an iteration's file does.</summary>
    public string Stamp(int iteration) =>
        new FileInfo(PathOf(iteration)) is { Exists: true } file
            ? string.Create(CultureInfo.InvariantCulture, $"{file.Length}@{file.LastWriteTimeUtc.Ticks}")
            : "";

    /// <summary>Forgets the iterations after this one.</summary>
    public void KeepUpTo(int iteration)
    {
        foreach (var file in Files().Where(file => file.Iteration > iteration).ToArray())
            File.Delete(file.Path);
        _sizes = null;
    }

    /// <summary>
    /// The iterations to drop: all that are no multiple of 2, 4, 8, ... away from the first, up to the smallest such step at which the rest
    /// fits.
    /// </summary>
    /// <param name="sizes">Bytes by iteration, in order.</param>
    /// <param name="most">Most bytes.</param>
    internal static IReadOnlyList<int> Dropped(IReadOnlyDictionary<int, long> sizes, long most)
    {
        var (total, last) = (sizes.Values.Sum(), sizes.Keys.DefaultIfEmpty().Max());
        int[] dropped = [];
        for (var step = 2; total - dropped.Sum(iteration => sizes[iteration]) > most && step < 2 * last; step *= 2)
            dropped = [.. sizes.Keys.Where(iteration => (iteration - 1) % step != 0 && iteration != last)];
        return dropped;
    }

    private string PathOf(int iteration) =>
        Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"iteration-{iteration:D5}.jsonl.zst"));

    private IEnumerable<(int Iteration, string Path)> Files() =>
        Directory.Exists(folder)
            ? from path in Directory.EnumerateFiles(folder, "iteration-*.jsonl.zst")
              let match = Name().Match(Path.GetFileName(path))
              where match.Success
              select (int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture), path)
            : [];

    [GeneratedRegex(@"^iteration-(\d{5,9})\.jsonl\.zst$")]
    private static partial Regex Name();
}
