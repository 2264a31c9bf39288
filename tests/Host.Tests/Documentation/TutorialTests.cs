using System.Diagnostics;
using System.Text.Json.Nodes;
using DfPO.Host.Telemetry;

namespace DfPO.Host.Tests.Documentation;

/// <summary>The tutorial's commands, one after the other, in a folder that has what the repository's root has and nothing else.</summary>
public sealed class TutorialTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task The_commands_of_the_tutorial_lead_to_an_exported_policy()
    {
        foreach (var name in new[] { "models", "hocon" })
            Directory.CreateSymbolicLink(_folder[name], Repository.Path(name));
        // Publishing is a block of its own; the program that the tests are built with stands for what it makes.
        var program = $"dfpo() {{ dotnet '{Path.Combine(AppContext.BaseDirectory, "dfpo.dll")}' \"$@\"; }}\n";
        var script = _folder.Write("tutorial.sh", "set -e\n" + program + string.Concat(Pages.Blocks("docs/tutorial.md", "bash")));

        var (code, output) = await Bash(script);

        Assert.True(code == 0, output);
        Assert.True(File.Exists(_folder["my-task/policy/model.safetensors"]), output);
        Assert.Contains("<html", File.ReadAllText(_folder["my-task/report.html"]));
        var runs = Directory.GetDirectories(_folder["runs"]);
        Assert.Equal(2, runs.Length);
        Assert.All(
            runs.SelectMany(run => File.ReadLines(Path.Combine(run, "metrics.jsonl")))
                .SelectMany(line => JsonNode.Parse(line)!.AsObject())
                .Select(field => field.Key)
                .Where(name => name.Contains('/')),
            name => Assert.NotNull(MetricCatalog.Find(name))
        );
    }

    private async Task<(int Code, string Output)> Bash(string script)
    {
        var start = new ProcessStartInfo("bash", [script])
        {
            WorkingDirectory = _folder.Path,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (process.ExitCode, await output + await errors);
    }
}
