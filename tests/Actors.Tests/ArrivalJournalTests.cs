using DfPO.Actors.Experiments;
using DfPO.Models;
using DfPO.Models.Policies;

namespace DfPO.Actors.Tests;

public sealed class ArrivalJournalTests : IDisposable
{
    private readonly TestFolder _folder = new();

    private string File => Path.Combine(_folder.Path, "journal.jsonl");

    private ArrivalJournal Journal => new(File);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_is_written_is_read()
    {
        Fill(3);
        var lines = Journal.Read();
        Assert.Equal([1, 2, 3], lines.Select(line => line.Iteration));
        Assert.Equal(["digest-0", "digest-1", "digest-2"], lines.Select(line => line.Weights));
        Assert.Equal([new TrainingUnit(3, 1, DecodingPolicy.Negative), new TrainingUnit(2, 0, DecodingPolicy.Positive)], lines[1].Units);
        Assert.Equal((1, 4), (lines[1].Staleness, lines[1].Threads));
        Assert.Equal(
            """{"iteration":1,"weights":"digest-0","threads":4,"units":[{"number":1,"version":0,"behaviour":"negative"},{"number":0,"version":0,"behaviour":"positive"}]}""",
            System.IO.File.ReadLines(File).First()
        );
    }

    [Fact]
    public void Without_a_file_there_is_nothing()
    {
        Assert.False(Journal.Exists);
        Assert.Empty(Journal.Read());
        Assert.Empty(Journal.KeepUpTo(0));
    }

    [Fact]
    public void Later_updates_are_forgotten_for_they_are_about_to_be_made_again()
    {
        Fill(3);
        Assert.Equal(2, Journal.KeepUpTo(2).Count);
        Assert.Equal(2, Journal.Read().Count);
    }

    [Fact]
    public void A_last_line_that_a_crash_cut_short_does_not_count()
    {
        Fill(2);
        System.IO.File.AppendAllText(File, "{\"iteration\":3,\"wei");
        Assert.Equal(2, Journal.Read().Count);
        Assert.Equal(2, Journal.KeepUpTo(2).Count);
        Fill(1, from: 2);
        Assert.Equal(3, Journal.Read().Count);
    }

    [Fact]
    public void An_update_that_a_checkpoint_has_but_the_journal_has_not_is_told()
    {
        Fill(2);
        var error = Assert.Throws<DfpoException>(() => Journal.KeepUpTo(3));
        Assert.Equal("run/journal", error.Code);
        Assert.Contains("2 updates but the checkpoint is of iteration 3", error.Message);
    }

    [Theory]
    [InlineData("broken", "line 1 cannot be read")]
    [InlineData("""{"iteration":1,"weights":"a","threads":1}""", "line 1 cannot be read")]
    [InlineData("null", "it is null")]
    [InlineData("""{"iteration":1,"weights":"a","threads":1,"units":[{"number":0,"version":0}]}""", "line 1 cannot be read")]
    [InlineData(
        """{"iteration":2,"weights":"a","threads":1,"units":[{"number":0,"version":0,"behaviour":"policy"}]}""",
        "is of iteration 2, where 1 is expected"
    )]
    [InlineData(
        """{"iteration":1,"weights":"a","threads":1,"units":[{"number":0,"version":1,"behaviour":"policy"}]}""",
        "weights version 1, which cannot be"
    )]
    [InlineData(
        """{"iteration":1,"weights":"a","threads":1,"units":[{"number":0,"version":0,"behaviour":"policy"},{"number":0,"version":0,"behaviour":"policy"}]}""",
        "unit 0, which iteration 1 learnt already"
    )]
    public void Damage_is_told_with_the_line(string first, string message)
    {
        System.IO.File.WriteAllLines(
            File,
            [first, """{"iteration":2,"weights":"b","threads":1,"units":[{"number":9,"version":0,"behaviour":"policy"}]}"""]
        );
        var error = Assert.Throws<DfpoException>(() => Journal.Read());
        Assert.Equal("run/journal", error.Code);
        Assert.Contains(message, error.Message);
    }

    private void Fill(int updates, int from = 0)
    {
        for (var i = from; i < from + updates; i++)
            Journal.Append(
                new JournalLine(
                    i + 1,
                    $"digest-{i}",
                    4,
                    [
                        new TrainingUnit((2 * i) + 1, i, DecodingPolicy.Negative),
                        new TrainingUnit(2 * i, Math.Max(0, i - 1), DecodingPolicy.Positive),
                    ]
                )
            );
    }
}
