using System.Diagnostics;
using DfPO.Models;
using DfPO.Tests.Support;

namespace DfPO.Benchmarks;

/// <summary>
/// Chaos: runs of real processes (learner, standby, two rollout workers, a reward worker) in each of which one is killed with SIGKILL,
/// whichever and whenever the dice say. Every run must end with the weights of an undisturbed one and a record in which no iteration is
/// missing or doubled. Tells how long it takes until a death is noticed and until the next iteration is finished.
/// </summary>
internal static class FaultRounds
{
    private const string JoinHint = "dfpo worker --join ";
    private static readonly string s_iterationDone = $"/{BundledRun.Iterations}:";
    private static readonly string[] s_roles = ["rollout", "reward", "learner"];

    private sealed record Round(string Role, TimeSpan Detected, TimeSpan Recovered);

    /// <exception cref="DfpoException"><c>chaos/diverged</c>: something was lost or learnt twice.</exception>
    public static void Run(int rounds, int seed)
    {
        var root = Directory.CreateTempSubdirectory("dfpo-chaos").FullName;
        try
        {
            Play(rounds, new Random(seed), root).GetAwaiter().GetResult();
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    private static async Task Play(int rounds, Random dice, string root)
    {
        var calm = Path.Combine(root, "calm");
        using (var undisturbed = RunningDfpo.Start(BundledRun.Arguments(calm, 0)))
            if (await undisturbed.Exit() != 0)
                throw new DfpoException("chaos/run", $"The undisturbed run failed:\n{undisturbed.Text}");
        var digest = BundledRun.Digest(Directory.GetDirectories(calm).Single());
        var done = new List<Round>();
        for (var number = 1; number <= rounds; number++)
        {
            // Every role has its turns; only when it dies is left to the dice.
            var role = s_roles[(number - 1) % s_roles.Length];
            var (iteration, delay) = (dice.Next(1, BundledRun.Iterations - 1), TimeSpan.FromMilliseconds(dice.Next(0, 1500)));
            var folder = Path.Combine(root, $"round-{number}");
            var round = await Play(role, iteration, delay, folder);
            var run = Directory.GetDirectories(folder).Single();
            if (
                BundledRun.Digest(run) != digest
                || !BundledRun.RecordedIterations(run).SequenceEqual(Enumerable.Range(1, BundledRun.Iterations))
            )
                throw new DfpoException(
                    "chaos/diverged",
                    $"Round {number}, {role} killed {delay.TotalSeconds:F1} s after iteration {iteration}: weights or record are not those of an undisturbed run; see {run}."
                );
            done.Add(round);
            Report.Line(
                "chaos",
                null,
                null,
                $"round {number}",
                $"{role} killed {delay.TotalSeconds:F1} s after iteration {iteration}: noticed after {round.Detected.TotalSeconds:F1} s, next iteration after {round.Recovered.TotalSeconds:F1} s, weights equal"
            );
        }
        foreach (var role in done.GroupBy(round => round.Role))
            Report.Line(
                "chaos",
                null,
                null,
                role.Key,
                $"{role.Count()} killed: noticed after {Range(role.Select(r => r.Detected))}, next iteration after {Range(role.Select(r => r.Recovered))}"
            );
    }

    private static async Task<Round> Play(string role, int iteration, TimeSpan delay, string folder)
    {
        using var learner = RunningDfpo.Start(BundledRun.Arguments(folder, 0, "--local-workers", "0", "--set", "rollout.reward-workers=0"));
        var join = await learner.Printed(JoinHint);
        RunningDfpo Worker(string kind) => RunningDfpo.Start(["worker", "--join", join, "--role", kind, "--patience", "120"]);
        using var first = Worker("rollout");
        using var second = Worker("rollout");
        using var reward = Worker("reward");
        await learner.Printed(": starts");
        using var standby = RunningDfpo.Start([
            "worker",
            "--join",
            join,
            "--role",
            "learner-standby",
            "--run",
            Directory.GetDirectories(folder).Single(),
        ]);
        await standby.Printed("standing by");
        await learner.Printed($"iteration {iteration}/");
        await Task.Delay(delay);
        var (victim, witness, notice) = role switch
        {
            "rollout" => (first, learner, "rollout worker"),
            "reward" => (reward, learner, "reward worker"),
            _ => (learner, standby, "this process is the learner now"),
        };
        var before = learner.Count(s_iterationDone);
        victim.Kill();
        var clock = Stopwatch.StartNew();
        using var replacement = role == "learner" ? null : Worker(role);
        // Nothing is noticed by a run that has just finished.
        await Task.WhenAny(witness.Printed(notice), witness.Exit());
        var detected = clock.Elapsed;
        await Task.WhenAny(
            role == "learner" ? standby.Printed(s_iterationDone) : learner.Printed(s_iterationDone, before + 1),
            witness.Exit()
        );
        var recovered = clock.Elapsed;
        foreach (var survivor in role == "learner" ? new[] { standby } : [learner, standby])
            if (await survivor.Exit() is not 0 and var code)
                throw new DfpoException("chaos/run", $"After {role} was killed, a process ended with code {code}:\n{survivor.Text}");
        return new Round(role, detected, recovered);
    }

    private static string Range(IEnumerable<TimeSpan> times)
    {
        double[] seconds = [.. times.Select(t => t.TotalSeconds).Order()];
        return $"{seconds[seconds.Length / 2]:F1} s (median; {seconds[0]:F1} to {seconds[^1]:F1})";
    }
}
