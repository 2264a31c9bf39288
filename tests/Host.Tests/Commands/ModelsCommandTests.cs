using System.Text.Json.Nodes;
using DfPO.Host.Reporting;
using DfPO.Models.Hub;
using DfPO.Tests.Hub;
using Microsoft.Extensions.Time.Testing;

namespace DfPO.Host.Tests.Commands;

public sealed class ModelsCommandTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_pulled_model_is_listed_and_generates()
    {
        await using var hub = await FakeHub.Start();
        hub.Add(TinyModels.Policy(_folder["policy"], 1));
        hub.RequiredToken = "secret";
        Dictionary<string, string?> environment = new()
        {
            ["HF_ENDPOINT"] = hub.Endpoint,
            ["HF_HOME"] = _folder["home"],
            ["HF_TOKEN"] = "secret",
            ["HF_HUB_CACHE"] = null,
        };
        Task<(int ExitCode, string Output, string Errors)> Run(params string[] arguments) =>
            DfpoProcess.Run(arguments, environment: environment);

        Assert.Equal((0, $"No models in {_folder["home/hub"]}.\n", ""), await Run("models", "list"));
        var (code, output, errors) = await Run("models", "pull", FakeHub.Model);
        Assert.Equal(0, code);
        var path = output.TrimEnd();
        Assert.Equal(_folder[$"home/hub/models--some-org--tiny-model/snapshots/{FakeHub.Commit}"], path);
        Assert.Contains("model.safetensors  ", errors);
        Assert.Equal(4, errors.TrimEnd().Split('\n').Length);
        var listed = JsonNode.Parse((await Run("models", "list", "--json")).Output)!;
        Assert.Equal((FakeHub.Model, FakeHub.Commit, path), ((string?)listed["model"], (string?)listed["commit"], (string?)listed["path"]));
        Assert.Contains(FakeHub.Model, (await Run("models", "list")).Output);
        Assert.Equal(
            (0, ""),
            (await Run("generate", path, "--prompt", "the film", "--max-new-tokens", "3")) is var generated
                ? (generated.ExitCode, generated.Errors)
                : default
        );
    }

    [Fact]
    public async Task Refusals_end_in_one_line_with_their_code()
    {
        Dictionary<string, string?> environment = new() { ["HF_ENDPOINT"] = "http://127.0.0.1:1", ["HF_HOME"] = _folder.Path };

        var (code, output, errors) = await DfpoProcess.Run(["models", "pull", "../x"], environment: environment);

        Assert.Equal((2, ""), (code, output));
        Assert.Equal(
            "dfpo: '../x' is not the name of a model: write organisation/name, such as openai-community/gpt2. [usage/hub]",
            errors.Trim()
        );
    }

    [Fact]
    public void On_a_terminal_one_line_a_file_is_written_over()
    {
        var (writer, time) = (new StringWriter(), new FakeTimeProvider());
        var display = new PullDisplay(writer, interactive: true, quiet: false, time);
        var file = new HubFile("model.safetensors", 4_000_000, new string('a', 64));

        display.Report(new PullProgress(file, 0, false));
        time.Advance(TimeSpan.FromMilliseconds(100));
        display.Report(new PullProgress(file, 1_000_000, false));
        time.Advance(TimeSpan.FromMilliseconds(900));
        display.Report(new PullProgress(file, 2_000_000, false));
        display.Report(new PullProgress(file, 4_000_000, true));

        Assert.Equal(
            ["", "model.safetensors  0 B of 4.0 MB", "model.safetensors  2.0 MB of 4.0 MB  2.0 MB/s", "model.safetensors  4.0 MB"],
            writer.ToString().Split('\r', '\n').Where((_, i) => i < 4).Select(line => line.TrimEnd())
        );
    }

    [Fact]
    public void A_quiet_pull_shows_nothing()
    {
        var writer = new StringWriter();
        new PullDisplay(writer, interactive: false, quiet: true).Report(new PullProgress(new HubFile("a", 1, "b"), 1, true));
        Assert.Equal("", writer.ToString());
    }
}
