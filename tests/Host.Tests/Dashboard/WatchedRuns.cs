using System.Diagnostics;
using DfPO.Actors.Experiments;
using DfPO.Host.Runs;
using DfPO.Learner;
using DfPO.Models.Policies;
using DfPO.Tasks.Prompts;

namespace DfPO.Host.Tests.Dashboard;

/// <summary>Made-up training continuations, for runs that somebody looks at.</summary>
internal static class WatchedRuns
{
    public const string Trace = "0123456789abcdef0123456789abcdef";

    /// <summary>A run with kept continuations.</summary>
    public static RunFolder Make(string root, int perIteration = 3, int iterations = 3, bool finished = true)
    {
        var run = RunFolders.Make(root, "watched", finished: finished);
        Keep(run, perIteration, [.. Enumerable.Range(1, iterations)]);
        return run;
    }

    public static void Keep(RunFolder run, int perIteration, params int[] iterations)
    {
        foreach (var iteration in iterations)
            run.Rollouts.Write(
                iteration,
                [.. Enumerable.Range(0, perIteration).Select(n => Sample(iteration, n))],
                [],
                1_000_000_000
            );
    }

    // Two tokens; the second one is shut and less likely than under the reference.
    private static TrainingSample Sample(int iteration, int n) =>
        new(
            $"train-{iteration}/policy/abc/{n}",
            new ActivityContext(
                ActivityTraceId.CreateFromString(Trace),
                ActivitySpanId.CreateFromString("0123456789abcdef"),
                ActivityTraceFlags.Recorded
            ),
            new Prompt($"p{n}", "A film"),
            $" of <b>{n}</b>",
            new Trajectory
            {
                PromptTokens = [1],
                Tokens = [5, 6],
                Logprobs = [-1, -2],
                ReferenceLogprobs = [-1.5f, -1],
                StateKl = [0.1f, 0.001f * n],
                // Steps of a tenth: kept figures have four digits.
                Reward = n % 1000 / 10f,
                Behaviour = DecodingPolicy.Policy,
                WeightsVersion = iteration - 1,
            },
            [],
            new TokenFigures([1, -0.5f], [TokenMask.Open, TokenMask.Shut]),
            id => id == 5 ? " of" : " <b>"
        );
}
