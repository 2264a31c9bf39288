using System.Text.Json.Nodes;
using DfPO.Host.Tests.Dashboard;

namespace DfPO.Host.Tests.Commands;

/// <summary>What the commands to look at runs print, and what they refuse.</summary>
public sealed class WatchingCommandTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Kept_continuations_are_shown_sorted_as_a_table_and_whole_as_json()
    {
        var name = Path.GetFileName(WatchedRuns.Make(_folder.Path, perIteration: 5).Path);
        string[] show = ["runs", "show", name, "--runs-dir", _folder.Path, "--samples", "2"];
        var (code, output, _) = await DfpoProcess.Run([.. show, "--sort=-reward", "--json"]);
        Assert.Equal(0, code);
        JsonNode[] lines = [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonNode.Parse(line)!)];
        Assert.Equal([(3, 4), (3, 3)], lines.Select(line => ((int)line["iteration"]!, (int)line["index"]!)));
        Assert.Equal(("ox", WatchedRuns.Trace), ((string?)lines[0]["mask"], (string?)lines[0]["trace"]));
        (code, output, _) = await DfpoProcess.Run([.. show, "--iteration", "1", "--search", "<b>2"]);
        Assert.Equal(0, code);
        Assert.Contains("iteration 1 learnt from", output);
        Assert.Contains("of <b>2</b>", output);
        Assert.DoesNotContain("<b>1", output);
        (code, _, var errors) = await DfpoProcess.Run([.. show, "--iteration", "7"]);
        Assert.Equal(1, code);
        Assert.Contains("[runs/rollouts]", errors);
    }

    [Theory]
    [InlineData("run --dashboard 70000", "--dashboard '70000'")]
    [InlineData("dashboard --port -1", "--port '-1'")]
    [InlineData("dashboard --trace-url http://traces", "{trace}")]
    [InlineData("run --trace-url ftp://traces/{trace}", "http")]
    [InlineData("worker --join 127.0.0.1:1 --health-port 0", "--health-port '0'")]
    [InlineData("run --log-level loud", "loud")]
    [InlineData("runs show x --samples 0", "--samples")]
    [InlineData("runs show x --samples 1 --sort size", "size")]
    public async Task An_option_that_makes_no_sense_is_refused_by_its_name(string line, string expected)
    {
        var (code, _, errors) = await DfpoProcess.Run(line.Split(' '));
        Assert.Equal(2, code);
        Assert.Contains(expected, errors);
    }

    [Fact]
    public async Task A_folder_that_is_not_there_has_no_page()
    {
        var (code, _, errors) = await DfpoProcess.Run("dashboard", _folder["nowhere"], "--port", "0");
        Assert.Equal(1, code);
        Assert.Contains("[runs/missing]", errors);
    }
}
