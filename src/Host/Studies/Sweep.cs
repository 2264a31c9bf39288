using System.Globalization;
using DfPO.Models;

namespace DfPO.Host.Studies;

/// <summary>Where a random sweep draws a key's values from: a range, uniformly or so in the logarithm, or a list of choices.</summary>
internal sealed record RandomRange(double From, double To, bool Logarithmic, IReadOnlyList<string> Choices)
{
    /// <summary>The value at a number in [0, 1).</summary>
    public string At(double u) =>
        Choices.Count > 0
            ? Choices[(int)(u * Choices.Count)]
            : (Logarithmic ? From * Math.Pow(To / From, u) : From + u * (To - From)).ToString("G4", CultureInfo.InvariantCulture);
}

/// <summary>
/// Points of one experiment each: the product of a grid, a list of named points and points drawn at random; what is absent contributes one
/// empty point.
/// </summary>
/// <param name="Grid">Keys with all their values.</param>
/// <param name="List">Named points.</param>
/// <param name="Random">Keys of random points.</param>
/// <param name="RandomCount">How many are drawn.</param>
/// <param name="RandomSeed">Seed of the drawing.</param>
internal sealed record Sweep(
    IReadOnlyList<(string Key, IReadOnlyList<string> Values)> Grid,
    IReadOnlyList<SweepPoint> List,
    IReadOnlyList<(string Key, RandomRange Range)> Random,
    int RandomCount,
    ulong RandomSeed
)
{
    /// <summary>One empty point.</summary>
    public static Sweep None { get; } = new([], [], [], 0, 0);

    /// <summary>All points, the same ones each time, in the order of the file.</summary>
    public IEnumerable<SweepPoint> Points() =>
        from grid in GridPoints()
        from named in List.DefaultIfEmpty(SweepPoint.Empty)
        from drawn in RandomPoints().DefaultIfEmpty(SweepPoint.Empty)
        select grid.With(named).With(drawn);

    private IEnumerable<SweepPoint> GridPoints() =>
        Grid.Aggregate(Enumerable.Repeat(SweepPoint.Empty, 1), (points, axis) =>
            points.SelectMany(point =>
                axis.Values.Select(value => point.With(new SweepPoint($"{ShortName(axis.Key)}-{value}", [new(axis.Key, value)])))
            )
        );

    private IEnumerable<SweepPoint> RandomPoints() =>
        Random.Count == 0
            ? []
            : Enumerable
                .Range(0, RandomCount)
                .Select(n => new SweepPoint(
                    $"random-{n + 1}",
                    [
                        .. Random.Select(
                            (axis, i) =>
                                new Setting(axis.Key, axis.Range.At(CounterRandom.Uniform(RandomSeed, (ulong)(n * Random.Count + i))))
                        ),
                    ]
                ));

    // The last word of a key says enough where no other key of the grid ends with it.
    private string ShortName(string key)
    {
        var last = key[(key.LastIndexOf('.') + 1)..];
        return Grid.Count(axis => axis.Key == last || axis.Key.EndsWith("." + last, StringComparison.Ordinal)) > 1 ? key : last;
    }
}

/// <summary>A point of a sweep.</summary>
/// <param name="Label">What it adds to a trial's name; empty for the empty point.</param>
/// <param name="Settings">Its settings.</param>
internal sealed record SweepPoint(string Label, IReadOnlyList<Setting> Settings)
{
    public static SweepPoint Empty { get; } = new("", []);

    /// <summary>Both points together.</summary>
    public SweepPoint With(SweepPoint other) =>
        new(
            Label.Length == 0 || other.Label.Length == 0 ? Label + other.Label : $"{Label}.{other.Label}",
            [.. Settings, .. other.Settings]
        );
}
