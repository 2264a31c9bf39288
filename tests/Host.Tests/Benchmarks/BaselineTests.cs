using DfPO.Benchmarks;
using DfPO.Models;

namespace DfPO.Host.Tests.Benchmarks;

public sealed class BaselineTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("dfpo-baseline").FullName;

    private string FilePath => Path.Combine(_folder, "baseline.json");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Less_time_and_more_tokens_a_second_are_both_better()
    {
        Assert.Equal(2, Seconds("step", 2).Against(Seconds("step", 4)));
        Assert.Equal(2, Rate("decode", 100).Against(Rate("decode", 50)));
    }

    [Fact]
    public void Only_figures_of_both_sittings_are_compared()
    {
        var baseline = new Baseline("a machine", "1", "2026-01-01", [Rate("decode", 100), Rate("prefill", 7)]);
        var (before, now, ratio) = Assert.Single(baseline.Compare([Rate("decode", 90), Seconds("step", 1)]));
        Assert.Equal(("decode", 100.0, 90.0), (now.Name, before.Value, now.Value));
        Assert.True(ratio < Baseline.Slower);
    }

    [Fact]
    public void A_file_gives_back_what_was_saved_and_keeps_what_was_not_measured_again()
    {
        new Baseline("a machine", "1", "2026-01-01", [Rate("decode", 100), Seconds("step", 2)]).Save(FilePath);
        new Baseline("a machine", "2", "2026-01-02", [Rate("decode", 120)]).Save(FilePath);

        var loaded = Baseline.Load(FilePath);

        Assert.Equal(("a machine", "2", "2026-01-02"), (loaded.Machine, loaded.Version, loaded.Date));
        Assert.Equal([Seconds("step", 2), Rate("decode", 120)], loaded.Figures);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("""{"machine":"a","version":"1","date":"2026-01-01","figures":[],"other":1}""")]
    public void Other_files_are_refused(string text)
    {
        File.WriteAllText(FilePath, text);
        var error = Assert.Throws<DfpoException>(() => Baseline.Load(FilePath));
        Assert.Equal("benchmark/baseline", error.Code);
        Assert.Contains(FilePath, error.Message);
    }

    [Fact]
    public void A_timing_is_its_median_and_the_way_between_its_quartiles()
    {
        var timing = new Timing([1, 2, 3, 4, 100]);
        Assert.Equal(3, timing.Median);
        Assert.Equal(2.0 / 3, timing.Spread, 12);
        Assert.Equal(2.5, timing.Part([2, 3]).Median);
    }

    [Fact]
    public void The_first_run_does_not_count()
    {
        var runs = 0;
        Assert.Equal(3, Timing.Of(3, () => runs++).Seconds.Length);
        Assert.Equal(4, runs);
    }

    private static Figure Rate(string name, double value) => new(name, value, "tokens/s", 0.01, 0);

    private static Figure Seconds(string name, double value) => new(name, value, Figure.Seconds, 0.01, null);
}
