using DfPO.Actors.Tests.Simulation;

namespace DfPO.Actors.Tests;

/// <summary>Thousands of runs on virtual time, each disturbed in its own way; CONTRIBUTING tells how to run more, or one again.</summary>
public sealed class SimulationTests
{
    private static readonly ulong s_first = ulong.Parse(Environment.GetEnvironmentVariable("DFPO_SIMULATION_SEED") ?? "1");
    private static readonly int s_count = int.Parse(Environment.GetEnvironmentVariable("DFPO_SIMULATION_COUNT") ?? "2000");

    [Fact]
    public void Whatever_happens_a_run_ends_with_the_weights_that_it_would_have_had()
    {
        var failure = Simulator.FirstFailure(s_first, s_count);
        Assert.True(failure is null, failure);
    }

    public static TheoryData<string> Bugs => [.. Mutant.All.Select(mutant => mutant.Bug)];

    /// <summary>That the simulator finds nothing means something only if it finds what is there.</summary>
    [Theory]
    [MemberData(nameof(Bugs))]
    public void It_finds_a_planted_bug(string bug) =>
        Assert.NotNull(MutantProgram.FirstFailure(Mutant.All.Single(mutant => mutant.Bug == bug), first: 1, count: 4000));

    [Fact]
    public void Without_a_bug_the_program_that_is_compiled_anew_holds() => Assert.Null(MutantProgram.FirstFailure(null, first: 1, count: 100));
}
