using System.Diagnostics;
using System.Text;
using DfPO.Actors.Configuration;
using DfPO.Actors.Experiments;
using DfPO.Host.Reporting;
using DfPO.Host.Runs;
using DfPO.Learner;
using DfPO.Models.Policies;
using DfPO.Tasks.Prompts;
using DfPO.Tasks.Rewards;

namespace DfPO.Host.Tests.Runs;

public sealed class KeptRolloutsTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_an_update_learnt_from_is_read_back_with_all_that_is_known_of_its_tokens()
    {
        var run = RunFolder.Create(_folder.Path, new ExperimentConfig());
        var recorder = new RolloutRecorder(run);
        recorder.Started(
            new ExperimentConfig
            {
                Task = new TaskOptions
                {
                    Reward = new RewardSpec { Kind = RewardKind.Combination, Terms = [RewardKind.Meteor, RewardKind.RepeatPenalty] },
                },
            },
            0
        );
        recorder.IterationFinished(Reports.Iteration(3) with { Samples = [Sample(0), Sample(1)] });
        Assert.Equal([3], run.Rollouts.Iterations());
        var lines = run.Rollouts.Read(3);
        var line = RolloutSummary.Whole(lines, 1)!;
        Assert.Equal((0.25, -1.0), ((double)line["parts"]!["meteor"]!, (double)line["parts"]!["repeat-penalty"]!));
        Assert.Equal("train-1/policy/abc/1", (string?)line["unit"]);
        Assert.Equal("0123456789abcdef0123456789abcdef", (string?)line["trace"]);
        Assert.Equal("[5,6,5,6]", line["tokens"]!.ToJsonString());
        Assert.Equal("""["<5>","<6>","<5>","<6>"]""", line["pieces"]!.ToJsonString(JsonLinesFile.Format));
        // log pi_theta - log pi_0 of -1 and -1.5; four significant digits.
        Assert.Equal("[0.5,0.5,0.5,0.3333]", line["log_ratio"]!.ToJsonString());
        Assert.Equal("[0.1,0.2,0.3,null]", line["state_kl"]!.ToJsonString());
        Assert.Equal("[1.5,0,-2,1E-05]", line["advantage"]!.ToJsonString());
        Assert.Equal("ox.s", (string?)line["mask"]);
        Assert.Equal((2, "policy", true), ((int)line["version"]!, (string)line["behaviour"]!, (bool)line["finished"]!));
        Assert.Null(RolloutSummary.Whole(lines, 2));

        var summaries = RolloutSummary.Read(lines);
        Assert.Equal([0f, 1f], summaries.Select(one => (float)one.Reward));
        // Pairs 5 6, 6 5, 5 6: one of three was there before.
        Assert.Equal(1 / 3.0, summaries[0].Repetition, 1e-4);
        Assert.Equal((4, "text 1 \"ä\"\n"), (summaries[1].Length, summaries[1].Continuation));
        Assert.True(double.IsNaN(summaries[1].Kl));
    }

    [Fact]
    public void A_list_is_sorted_and_searched()
    {
        RolloutSummary One(int index, double reward, string text) => new(index, reward, 0, 1, 0, "policy", "Prompt", text);
        RolloutSummary[] all = [One(0, 0.5, "a"), One(1, double.NaN, "B"), One(2, 0.9, "b"), One(3, 0.5, "ab")];
        int[] Of(string order, bool descending, string search) =>
            [.. RolloutSummary.Select(all, order, descending, search).Select(one => one.Index)];
        Assert.Equal([0, 3, 2, 1], Of("reward", false, ""));
        Assert.Equal([2, 0, 3, 1], Of("reward", true, ""));
        Assert.Equal([1, 2, 3], Of("index", false, "b"));
        Assert.Equal([3, 2, 1, 0], Of("index", true, "PROMPT"));
    }

    [Fact]
    public void Beyond_the_bound_every_other_iteration_goes_but_never_the_first_and_the_newest()
    {
        var sizes = new SortedDictionary<int, long>(Enumerable.Range(1, 10).ToDictionary(i => i, _ => 10L));
        Assert.Empty(KeptRollouts.Dropped(sizes, 100));
        Assert.Equal([2, 4, 6, 8], KeptRollouts.Dropped(sizes, 99));
        Assert.Equal([2, 3, 4, 6, 7, 8], KeptRollouts.Dropped(sizes, 55));
        Assert.Equal([2, 3, 4, 5, 6, 7, 8, 9], KeptRollouts.Dropped(sizes, 1));
        Assert.Empty(KeptRollouts.Dropped(new SortedDictionary<int, long>(), 1));
    }

    [Fact]
    public void A_resumed_run_forgets_what_it_will_draw_again_and_what_is_not_there_is_told_with_the_nearest()
    {
        var kept = new KeptRollouts(_folder["rollouts"]);
        Assert.Equal("runs/rollouts", DfpoAssert.CodeOf(() => kept.Read(1), "record.rollouts = false"));
        foreach (var iteration in new[] { 1, 2, 5 })
            kept.Write(iteration, [Sample(0)], [], 1_000_000);
        kept.KeepUpTo(2);
        Assert.Equal([1, 2], kept.Iterations());
        Assert.Equal("runs/rollouts", DfpoAssert.CodeOf(() => kept.Read(5), "the nearest is 2"));
        File.WriteAllText(_folder["rollouts/iteration-00001.jsonl.zst"], "no zstd");
        Assert.Equal("run/corrupt", DfpoAssert.CodeOf(() => kept.Read(1), "iteration-00001"));
        // A bound of nearly nothing keeps the first and the newest.
        kept.Write(3, [Sample(0)], [], 1);
        Assert.Equal([1, 3], kept.Iterations());
        Assert.Equal("text 0 \"ä\"\n", RolloutSummary.Read(kept.Read(3)).Single().Continuation);
        Assert.Equal(1, Encoding.UTF8.GetString(kept.Read(3)).Count(c => c == '\n'));
    }

    /// <summary>Processor time of keeping an iteration as the default experiment has it; docs/operations.md tells the outcome.</summary>
    [Fact(Explicit = true)]
    public void What_keeping_an_iteration_costs()
    {
        var random = new Random(1);
        float[] Numbers() => [.. Enumerable.Range(0, 32).Select(_ => random.NextSingle())];
        TrainingSample[] samples =
        [
            .. Enumerable
                .Range(0, 64)
                .Select(n =>
                    Sample(n) with
                    {
                        Continuation = string.Concat(Enumerable.Range(0, 32).Select(_ => $" word{random.Next(500)}")),
                        Trajectory = Sample(n).Trajectory with
                        {
                            Tokens = [.. Enumerable.Range(0, 32).Select(_ => random.Next(500))],
                            Logprobs = Numbers(),
                            ReferenceLogprobs = Numbers(),
                            StateKl = Numbers(),
                        },
                        Tokens = new TokenFigures(Numbers(), new TokenMask[32]),
                    }
                ),
        ];
        var kept = new KeptRollouts(_folder["rollouts"]);
        kept.Write(1, samples, [], long.MaxValue);
        var before = Process.GetCurrentProcess().TotalProcessorTime;
        for (var iteration = 2; iteration <= 201; iteration++)
            kept.Write(iteration, samples, [], long.MaxValue);
        var each = (Process.GetCurrentProcess().TotalProcessorTime - before) / 200;
        TestContext.Current.TestOutputHelper!.WriteLine(
            $"{each.TotalMilliseconds:F2} ms and {new FileInfo(_folder["rollouts/iteration-00200.jsonl.zst"]).Length} bytes an iteration of 64 x 32 tokens"
        );
    }

    private static TrainingSample Sample(int n) =>
        new(
            $"train-1/policy/abc/{n}",
            new ActivityContext(
                ActivityTraceId.CreateFromString("0123456789abcdef0123456789abcdef"),
                ActivitySpanId.CreateFromString("0123456789abcdef"),
                ActivityTraceFlags.Recorded
            ),
            new Prompt($"p{n}", "The film"),
            $"text {n} \"ä\"\n",
            new Trajectory
            {
                PromptTokens = [1],
                Tokens = [5, 6, 5, 6],
                Logprobs = [-1, -1, -1, -1],
                ReferenceLogprobs = [-1.5f, -1.5f, -1.5f, -1.33333f],
                StateKl = [0.1f, 0.2f, 0.3f, float.NaN],
                Reward = n,
                Behaviour = DecodingPolicy.Policy,
                WeightsVersion = 2,
            },
            [0.25f, -1],
            new TokenFigures([1.5f, 0, -2, 0.00001f], [TokenMask.Open, TokenMask.Shut, TokenMask.Untested, TokenMask.Skipped]),
            id => $"<{id}>"
        );
}
