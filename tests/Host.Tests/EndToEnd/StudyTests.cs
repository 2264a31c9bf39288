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
        File.WriteAllText(
            experiment.At("study.conf"),
            $$"""
            name = pair
            tasks { tiny { experiment = "{{experiment.At("tiny.conf")}}" } }
            seeds = [1]
            algorithms {
              short { set { iterations = 2 } }
              long { set { iterations = 20 } }
              broken { set { learner.max-kl = 1e-12 } }
            }
            """
        );
        string[] arguments = ["study", "run", experiment.At("study.conf"), "--runs-dir", experiment.Runs];
        using (var study = RunningDfpo.Start(arguments))
        {
            await study.Printed("tiny.short.s1: finished");
            await UntilIteration(experiment, "tiny.long.s1", 2);
            study.Kill();
        }
        var resultOfShort = Directory
            .GetFiles(Path.Combine(experiment.Runs, "pair/trials/tiny.short.s1"), "result.json", SearchOption.AllDirectories)
            .Single();
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
        Assert.Equal(
            Enumerable.Range(1, 20),
            File.ReadLines(Path.Combine(longRun, "metrics.jsonl"))
                .Select(line => JsonNode.Parse(line)!)
                .Where(line => (string?)line["type"] == "iteration")
                .Select(line => (int)line["iteration"]!)
        );
        Assert.Equal(await experiment.RunToEnd("--set", "iterations=20"), TinyExperiment.Digest(longRun));
        var (shown, list, _) = await DfpoProcess.Run(["runs", "list", "--runs-dir", experiment.Runs, "--json"]);
        Assert.Equal((0, 4), (shown, list.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length));
    }

    [Fact]
    public async Task A_hopeless_trial_is_stopped_a_large_one_runs_alone_and_neither_is_mixed_with_others_in_what_is_shown()
    {
        using var experiment = new TinyExperiment();
        // Texts of a and b are longer than those of c, which comes when one of them is through: at its rung it is the worse for sure, and
        // far from its end. A trial of one iteration has no rung.
        File.WriteAllText(
            experiment.At("study.conf"),
            $$"""
            name = halved
            tasks {
              tiny { experiment = "{{experiment.At("tiny.conf")}}" }
              large { experiment = "{{experiment.At("tiny.conf")}}", alone = true, set { iterations = 1 } }
            }
            seeds = [1]
            set { iterations = 300, evaluation.every = 1000, checkpoint.every = 1000, rollout.generation.min-new-tokens = 6 }
            algorithms {
              a { set { iterations = 4 } }
              b { set { iterations = 4, learner.learning-rate = 1e-4 } }
              c { set { rollout.generation { max-new-tokens = 3, min-new-tokens = 3 } } }
            }
            halving { metric = rollout/length, rounds = 1, keep = 0.02 }
            """
        );
        string[] arguments = ["study", "run", experiment.At("study.conf"), "--runs-dir", experiment.Runs, "--parallel", "2"];
        var (exit, output, errors) = await DfpoProcess.Run(arguments);
        Assert.True(exit == 0, $"{exit}\n{output}\n{errors}");
        Assert.Contains("tiny.c.s1: stopped by halving (rollout/length 3 after iteration 6 is not among the best 2 % of ", output);
        Assert.Contains("6 trials: 5 finished, 1 stopped by halving, 0 failed", output);
        AssertAlone(output);

        // Nothing of it is begun again.
        var (again, resumed, _) = await DfpoProcess.Run([.. arguments, "--resume"]);
        Assert.Equal((0, false), (again, resumed.Contains("tiny.", StringComparison.Ordinal)));
        Assert.Contains("5 finished, 1 stopped by halving", resumed);

        var (_, list, _) = await DfpoProcess.Run(["runs", "list", "--runs-dir", experiment.Runs, "--json"]);
        var runs = list.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonNode.Parse(line)!)
            .ToDictionary(run => ((string)run["run"]!)[..((string)run["run"]!).IndexOf(".s1", StringComparison.Ordinal)]);
        Assert.Equal(
            ["large.a", "large.b", "large.c", "tiny.a", "tiny.b"],
            runs.Where(run => (string?)run.Value["status"] == "finished").Select(run => run.Key).Order(StringComparer.Ordinal)
        );
        var stopped = runs["tiny.c"];
        Assert.Equal("stopped", (string?)stopped["status"]);
        Assert.Contains("not among the best", (string?)stopped["note"]);
        Assert.InRange((int)stopped["iterations"]!, 7, 299);
        Assert.Null(stopped["final"]!["reward"]);

        var (_, comparison, _) = await DfpoProcess.Run([
            "runs",
            "compare",
            (string)runs["tiny.a"]["run"]!,
            (string)stopped["run"]!,
            "--runs-dir",
            experiment.Runs,
            "--json",
        ]);
        Assert.Equal(["finished", "stopped"], JsonNode.Parse(comparison)!["status"]!.AsArray().Select(status => (string?)status));

        var page = experiment.At("report.html");
        Assert.Equal(0, (await DfpoProcess.Run(["report", Path.Combine(experiment.Runs, "halved"), "--out", page])).ExitCode);
        var html = File.ReadAllText(page);
        Assert.Contains("6 runs in 6 settings, 5 of them finished, 1 stopped by halving.", html);
        Assert.Contains("\"label\":\"tiny c, stopped\"", html);
        Assert.DoesNotContain("\"label\":\"tiny c\"", html);
    }

    /// <summary>
    /// Reads off the lines of a study which trials were at work together: two small ones at a time, a large one by itself.
    /// </summary>
    private static void AssertAlone(string output)
    {
        HashSet<string> atWork = [];
        var together = 0;
        foreach (var line in output.Split('\n').Where(line => line.Contains(".s1: ", StringComparison.Ordinal)))
        {
            var trial = line[..line.IndexOf(':', StringComparison.Ordinal)];
            if (!line.EndsWith(": starts", StringComparison.Ordinal))
                Assert.True(atWork.Remove(trial), output);
            else
                Assert.True(
                    atWork.Add(trial) && atWork.Count <= (atWork.Any(other => other.StartsWith("large", StringComparison.Ordinal)) ? 1 : 2),
                    output
                );
            together = Math.Max(together, atWork.Count);
        }
        Assert.Equal((2, 0), (together, atWork.Count));
    }

    private static async Task UntilIteration(TinyExperiment experiment, string trial, int iteration)
    {
        var folder = Path.Combine(experiment.Runs, "pair", "trials", trial);
        for (var deadline = DateTime.UtcNow.AddMinutes(3); DateTime.UtcNow < deadline; await Task.Delay(50))
            if (
                Directory.Exists(folder)
                && Directory
                    .GetFiles(folder, "metrics.jsonl", SearchOption.AllDirectories)
                    .Any(file =>
                        File.ReadAllText(file).Contains($"\"type\":\"iteration\",\"iteration\":{iteration},", StringComparison.Ordinal)
                    )
            )
                return;
        throw new TimeoutException($"'{trial}' did not reach iteration {iteration}.");
    }
}
