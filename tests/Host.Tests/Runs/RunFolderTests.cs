using System.Text.Json.Nodes;
using DfPO.Actors.Configuration;
using DfPO.Host.Configuration;
using DfPO.Host.Reporting;
using DfPO.Host.Runs;
using DfPO.Models;
using DfPO.Models.Policies;
using Microsoft.Extensions.Time.Testing;

namespace DfPO.Host.Tests.Runs;

public sealed class RunFolderTests : IDisposable
{
    private readonly TestFolder _folder = new();
    private readonly ExperimentConfig _config = new() { Name = "demo", Seed = 7 };

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_run_s_folder_carries_its_name_time_configuration_and_versions()
    {
        var time = new FakeTimeProvider(new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero));
        var run = RunFolder.Create(_folder.Path, _config, time);
        Assert.Equal("demo-20260102-030405", Path.GetFileName(run.Path));
        Assert.Equal("demo-20260102-030405-2", Path.GetFileName(RunFolder.Create(_folder.Path, _config, time).Path));
        Assert.True(Directory.Exists(run.Checkpoints));
        var read = ExperimentFile.Bind(run.Config, [], new System.Collections.Hashtable(), path => path);
        Assert.Equal(ResolvedConfig.Write(_config), ResolvedConfig.Write(read));
        var versions = JsonNode.Parse(File.ReadAllText(Path.Combine(run.Path, "versions.json")))!;
        Assert.Equal(ResolvedConfig.Digest(_config), (string?)versions["config_sha256"]);
        Assert.Equal(7UL, (ulong?)versions["seed"]);
        Assert.Matches(@"^1\.5\.", (string?)versions["akka"]);
        Assert.Matches(@"^0\.1", (string?)versions["dfpo"]);
        Assert.All(["dotnet", "torchsharp", "os", "cpus"], name => Assert.False(string.IsNullOrEmpty(versions[name]?.ToString()), name));
    }

    [Fact]
    public void Runs_that_start_in_the_same_second_have_folders_of_their_own()
    {
        var time = new FakeTimeProvider(new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero));
        var paths = new string[8];
        Parallel.For(0, paths.Length, i => paths[i] = RunFolder.Create(_folder.Path, _config with { Seed = (ulong)i }, time).Path);
        Assert.Equal(paths.Length, paths.Distinct().Count());
        for (var i = 0; i < paths.Length; i++)
            Assert.Contains($"seed = {i}\n", File.ReadAllText(RunFolder.Open(paths[i]).Config));
        Assert.Equal(paths.Order(), Directory.GetDirectories(_folder.Path).Order());
    }

    [Fact]
    public void A_place_that_cannot_hold_a_run_is_named_in_one_line()
    {
        var file = Path.Combine(_folder.Path, "file");
        File.WriteAllText(file, "");
        var error = Assert.Throws<DfpoException>(() => RunFolder.Create(file, _config));
        Assert.Equal("run/folder", error.Code);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void What_a_resumed_run_is_told_is_written_down()
    {
        var run = RunFolder.Create(_folder.Path, _config);
        run.SaveConfig(_config with { Iterations = 77 });
        var read = ExperimentFile.Bind(run.Config, [], new System.Collections.Hashtable(), path => path);
        Assert.Equal(77, read.Iterations);
    }

    [Fact]
    public void A_folder_that_is_no_run_is_refused() =>
        Assert.Equal("config/resume", Assert.Throws<DfpoException>(() => RunFolder.Open(_folder.Path)).Code);

    [Fact]
    public void Events_become_lines()
    {
        var run = Record(
            (recorder, run) =>
            {
                recorder.Started(_config, 0);
                recorder.Evaluated(Reports.Evaluation("validation", DecodingPolicy.Negative, 0, reward: 0.4));
                recorder.IterationFinished(Reports.Iteration(1));
                RunRecorder.Conclude(run, _config.Evaluation, Reports.Result());
            }
        );
        var lines = Lines(run.Metrics);
        Assert.Equal(["evaluation", "iteration"], lines.Select(line => (string?)line["type"]));
        Assert.Equal(0.4, (double?)lines[0]["eval/validation/negative/reward"]);
        Assert.Equal(
            (1, 0.0042, 412.0),
            ((int?)lines[1]["iteration"], (double?)lines[1]["objective/kl"], (double?)lines[1]["tokens_per_second"])
        );
        Assert.Equal((30.0, 0.98), ((double?)lines[1]["rollout/perplexity"], (double?)lines[1]["dfpo/mask_positive"]));
        Assert.True(lines[1].ContainsKey("value/explained_variance"));
        Assert.Null(lines[1]["value/explained_variance"]);
        var samples = Lines(run.Samples);
        Assert.Equal(
            Reports.Evaluation("validation", DecodingPolicy.Negative, 0).Samples.Select(sample => sample.PromptId),
            samples.Select(line => (string?)line["id"])
        );
        Assert.Equal(" of \"two\"", (string?)samples[1]["continuation"]);
        var result = JsonNode.Parse(File.ReadAllText(run.Result))!;
        Assert.Equal(
            (35, "abc123", 0.5),
            ((int?)result["best_iteration"], (string?)result["weights_digest"], (double?)result["before"]!["reward"])
        );
        Assert.Equal(["policy", "negative"], result["after"]!.AsArray().Select(after => (string?)after!["policy"]));
    }

    [Fact]
    public void A_resumed_run_drops_what_came_after_its_checkpoint_and_repeats_no_evaluation()
    {
        var run = Record(
            (recorder, run) =>
            {
                recorder.Started(_config, 0);
                for (var i = 1; i <= 4; i++)
                {
                    recorder.IterationFinished(Reports.Iteration(i));
                    recorder.Evaluated(Reports.Evaluation("validation", DecodingPolicy.Policy, i));
                }
                RunRecorder.Conclude(run, _config.Evaluation, Reports.Result());
                File.AppendAllText(run.Metrics, "{\"type\":\"iter");
            }
        );
        var again = new RunRecorder(RunFolder.Open(run.Path));
        again.Started(_config, 2);
        // A resume that fails here leaves the result alone.
        Assert.True(File.Exists(run.Result));
        again.Evaluated(Reports.Evaluation("validation", DecodingPolicy.Policy, 2));
        again.IterationFinished(Reports.Iteration(3, reward: 0.9));
        Assert.False(File.Exists(run.Result));
        Assert.Equal(
            ["iteration 1", "evaluation 1", "iteration 2", "evaluation 2", "iteration 3"],
            Lines(run.Metrics).Select(line => $"{line["type"]} {line["iteration"]}")
        );
        Assert.Equal(0.9, (double?)Lines(run.Metrics)[^1]["rollout/reward"]);
        var each = Reports.Evaluation("validation", DecodingPolicy.Policy, 1).Samples.Count;
        Assert.Equal(
            [.. Enumerable.Repeat(1, each), .. Enumerable.Repeat(2, each)],
            Lines(run.Samples).Select(line => (int)line["iteration"]!)
        );
    }

    [Fact]
    public void A_broken_line_inside_a_file_is_told()
    {
        var run = Record((recorder, run) => File.WriteAllText(run.Metrics, "{\"iteration\": 1}\nbroken\n{\"iteration\": 2}\n"));
        var error = Assert.Throws<DfpoException>(() => new RunRecorder(run).Started(_config, 1));
        Assert.Equal("run/corrupt", error.Code);
        Assert.Contains("line 2", error.Message);
    }

    private RunFolder Record(Action<RunRecorder, RunFolder> events)
    {
        var run = RunFolder.Create(_folder.Path, _config);
        events(new RunRecorder(run), run);
        return run;
    }

    private static List<JsonObject> Lines(string path) => [.. File.ReadAllLines(path).Select(line => JsonNode.Parse(line)!.AsObject())];
}
