using System.Text.Json.Nodes;
using DfPO.Host.Dashboard;
using DfPO.Host.Runs;
using DfPO.Host.Store;

namespace DfPO.Host.Tests.Dashboard;

/// <summary>What the page is told, without a server and without a browser.</summary>
public sealed class RunAnswersTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Continuations_come_a_page_at_a_time_in_the_order_asked_for()
    {
        var run = WatchedRuns.Make(_folder.Path, perIteration: 7);
        var shelf = Shelf();
        var id = Path.GetFileName(run.Path);
        var first = shelf.Rollouts(id, 0, new TextQuery { Order = "reward", Descending = true, Count = 3 });
        Assert.Equal((3, 7, 7), ((int)first["iteration"]!, (int)first["all"]!, (int)first["found"]!));
        Assert.Equal([6, 5, 4], Indices(first));
        var next = new TextQuery
        {
            Order = "reward",
            Descending = true,
            Offset = 3,
            Count = 3,
        };
        Assert.Equal([3, 2, 1], Indices(shelf.Rollouts(id, 2, next)));
        var found = shelf.Rollouts(id, 1, new TextQuery { Search = "<B>4" });
        Assert.Equal((1, 7), ((int)found["found"]!, (int)found["all"]!));
        Assert.Equal("[1,2,3]", found["iterations"]!.ToJsonString());
        Assert.Equal("ox", (string?)shelf.Rollout(id, 1, 4)["mask"]);
        Assert.Equal("runs/rollouts", DfpoAssert.CodeOf(() => shelf.Rollout(id, 1, 7), "no continuation 7"));
        Assert.Equal("runs/rollouts", DfpoAssert.CodeOf(() => shelf.Rollouts(id, 9, new TextQuery()), "nearest is 3"));
        // What is written anew is read anew.
        WatchedRuns.Keep(run, 2, 1);
        Assert.Equal(2, (int)shelf.Rollouts(id, 1, new TextQuery())["all"]!);
    }

    [Theory]
    [InlineData("")]
    [InlineData("..")]
    [InlineData("../other")]
    [InlineData("/etc")]
    [InlineData("watched/../..")]
    public void Nothing_outside_the_folder_of_runs_is_read(string id) =>
        Assert.Equal("runs/unknown", DfpoAssert.CodeOf(() => Shelf().Folder(id)));

    [Fact]
    public void A_run_is_told_with_what_differs_from_the_nearest_preset()
    {
        var run = WatchedRuns.Make(_folder.Path);
        var id = Path.GetFileName(run.Path);
        var answer = Shelf().Run(id);
        Assert.Equal("ppo", (string?)answer["preset"]);
        var differs = answer["config"]!
            .AsArray()
            .Where(key => (string?)key!["preset"] is { } preset && preset != (string?)key["value"])
            .Select(key => (string)key!["key"]!)
            .ToArray();
        Assert.Contains("iterations", differs);
        Assert.DoesNotContain("learner.objective", differs);
        Assert.Equal(new FileInfo(run.Metrics).Length, (long)answer["offset"]!);
        Assert.Equal(File.ReadLines(run.Metrics).Count(), answer["lines"]!.AsArray().Count);
        Assert.Equal([1, 2, 3], answer["rollouts"]!.AsArray().Select(iteration => (int)iteration!));
    }

    [Fact]
    public void Held_out_prompts_stand_before_and_after_beside_each_other()
    {
        var run = WatchedRuns.Make(_folder.Path);
        var answer = RunAnswers.Samples(RunRecord.Open(run.Path), new TextQuery { Count = 1 });
        Assert.Equal((21, 21), ((int)answer["all"]!, (int)answer["found"]!));
        var pair = answer["rows"]![0]!;
        Assert.Equal(("p-1", "This film"), ((string)pair["id"]!, (string)pair["prompt"]!));
        Assert.Equal(" is [policy] text", (string?)pair["before"]!["continuation"]);
        Assert.Equal(" is a text", (string?)pair["after"]!["pi_theta"]!["continuation"]);
        Assert.Equal(1, (int)RunAnswers.Samples(RunRecord.Open(run.Path), new TextQuery { Search = "IS A TEXT" })["found"]!);
    }

    [Fact]
    public void New_lines_are_told_whole_and_a_file_that_was_written_anew_from_its_beginning()
    {
        var file = _folder.Write("m.jsonl", "{\"a\":1}\n{\"a\":2}\n{\"a");
        Assert.Equal(("{\"a\":1}\n{\"a\":2}\n", 16L), RunEvents.NewLines(file, 0));
        Assert.Equal(("{\"a\":2}\n", 16L), RunEvents.NewLines(file, 8));
        Assert.Equal(("", 16L), RunEvents.NewLines(file, 16));
        Assert.Equal(16, RunEvents.End(file));
        Assert.Equal(("", 0L), RunEvents.NewLines(file, 100));
        Assert.Equal(("", 0L), RunEvents.NewLines(file + "x", 0));
        Assert.Equal(0, RunEvents.End(file + "x"));
    }

    [Theory]
    [InlineData("sort", "size")]
    [InlineData("offset", "-1")]
    [InlineData("count", "201")]
    [InlineData("count", "many")]
    public void A_request_that_makes_no_sense_is_refused_by_its_name(string name, string value) =>
        Assert.Equal("dashboard/query", DfpoAssert.CodeOf(() => TextQuery.Of(asked => asked == name ? value : null), name, value));

    private RunShelf Shelf() => new(_folder.Path, "", _ => { });

    private static int[] Indices(JsonObject answer) => [.. answer["rows"]!.AsArray().Select(row => (int)row!["index"]!)];
}
