using System.Globalization;
using DfPO.Actors.Tests.Simulation;

namespace DfPO.Actors.Tests;

/// <summary>Runs on virtual time, each disturbed in its own way; CONTRIBUTING tells how to have more of them, or one again.</summary>
public sealed class SimulationTests
{
    private static readonly ulong s_first = Setting("DFPO_SIMULATION_SEED", 1);
    private static readonly ulong s_count = Setting("DFPO_SIMULATION_COUNT", 2000);

    [Fact]
    public void Whatever_happens_a_run_ends_with_the_weights_that_it_would_have_had()
    {
        var failure = Simulator.FirstFailure(s_first, (int)s_count);
        Assert.True(failure is null, failure);
    }

    [Fact]
    public void A_plan_happens_equally_every_time_and_what_fails_is_shrunk()
    {
        // Nobody does the work: the run is given up after the workers' patience.
        var plan = Plan.Of(7) with { Workers = 0, Liar = false, Faults = [new(1, FaultKind.SlowDisk, 0, 2), new(2, FaultKind.Lid, 0, 3)] };
        var failure = Simulator.Failure(plan);
        Assert.Contains("no rollout worker for 120 s", failure);
        Assert.Equal(failure, Simulator.Failure(plan));
        Assert.Empty(Simulator.Shrunk(plan).Faults);
    }

    public static TheoryData<string> Bugs => [.. Mutant.All.Select(mutant => mutant.Bug)];

    /// <summary>That the simulator finds nothing means something only if it finds what is there.</summary>
    [Theory(Explicit = true)]
    [MemberData(nameof(Bugs))]
    public void It_finds_a_planted_bug(string bug) =>
        Assert.NotNull(MutantProgram.FirstFailure(Mutant.All.Single(mutant => mutant.Bug == bug), first: 1, count: 4000));

    [Fact(Explicit = true)]
    public void Without_a_bug_the_program_that_is_compiled_anew_holds() =>
        Assert.Null(MutantProgram.FirstFailure(null, first: 1, count: 100));

    [Fact]
    public void Each_bug_has_its_place_in_the_source() =>
        Assert.All(Mutant.All, mutant => Assert.NotEqual("", MutantProgram.Text(mutant.File, mutant)));

    private static ulong Setting(string name, ulong value) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } text ? ulong.Parse(text, CultureInfo.InvariantCulture) : value;
}
