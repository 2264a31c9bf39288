using System.Text.Json.Nodes;
using DfPO.Host.Tests.Commands;

namespace DfPO.Host.Tests.EndToEnd;

/// <summary>Studies of whole processes; most of a minute of processor time and more.</summary>
[Collection(WholeProcesses.Name)]
public sealed class StudyTests
{
    [Fact]
    public async Task A_study_that_was_killed_goes_on_keeps_what_was_finished_and_ends_with_the_weights_of_single_runs()
    {
        using var experiment = new TinyExperiment();
        File.WriteAllText(experiment.At("study.conf"), $$"""
            name = pair
            tasks { tiny { experiment = "{{experiment.At("tiny.conf")}}" } }
            seeds = [1]
            algorithms {
              short { set { iterations = 2 } }
              long { set { iterations = 20 } }
              broken { set { learner.max-kl = 1e-12 } }
            }
            """);
        string[] arguments = ["study", "run", experiment.At("study.conf"), "--runs-dir", experiment.Runs];
        using (var study = RunningDfpo.Start(arguments))
        {
            await study.Printed("tiny.short.s1: finished");
            await UntilIteration(experiment, "tiny.long.s1", 2);
            study.Kill();
        }
        var resultOfShort = Directory.GetFiles(Path.Combine(experiment.Runs, "pair/trials/tiny.short.s1"), "result.json", SearchOption.AllDirectories).Single();
        var written = File.GetLastWriteTimeUtc(resultOfShort);
        var (exit, output, errors) = await DfpoProcess.Run([.. arguments, "--resume"]);
        // One trial fails, which does not keep the others from their end.
        Assert.True(exit == 1, $"{exit}\n{output}\n{errors}");
        Assert.Contains("tiny.long.s1: goes on", output);
        Assert.DoesNotContain("tiny.short.s1", output);
        Assert.Contains("3 trials: 2 finished, 0 stopped by halving, 1 failed", output);
        Assert.Contains("trial tiny.broken.s1 failed", errors);
        Assert.Equal(written, File.GetLastWriteTimeUtc(resultOfShort));
        var longRun = Directory.GetDirectories(Path.Combine(experiment.Runs, "pair/trials/tiny.long.s1")).Single();
        Assert.Equal(Enumerable.Range(1, 20), File.ReadLines(Path.Combine(longRun, "metrics.jsonl")).Select(line => JsonNode.Parse(line)!).Where(line => (string?)line["type"] == "iteration").Select(line => (int)line["iteration"]!));
        Assert.Equal(await experiment.RunToEnd("--set", "iterations=20"), TinyExperiment.Digest(longRun));
        var (shown, list, _) = await DfpoProcess.Run(["runs", "list", "--runs-dir", experiment.Runs, "--json"]);
        Assert.Equal((0, 4), (shown, list.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length));
    }

    private static async Task UntilIteration(TinyExperiment experiment, string trial, int iteration)
    {
        var folder = Path.Combine(experiment.Runs, "pair", "trials", trial);
        for (var deadline = DateTime.UtcNow.AddMinutes(3); DateTime.UtcNow < deadline; await Task.Delay(50))
            if (Directory.Exists(folder) && Directory.GetFiles(folder, "metrics.jsonl", SearchOption.AllDirectories).Any(file => File.ReadAllText(file).Contains($"\"type\":\"iteration\",\"iteration\":{iteration},", StringComparison.Ordinal)))
                return;
        throw new TimeoutException($"'{trial}' did not reach iteration {iteration}.");
    }
}
