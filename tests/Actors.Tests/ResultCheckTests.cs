using DfPO.Actors.Weights;
using DfPO.Actors.Work;
using DfPO.Models;
using DfPO.Models.Policies;
using DfPO.Rollout;
using DfPO.Tasks.Prompts;

namespace DfPO.Actors.Tests;

public sealed class ResultCheckTests
{
    private static readonly ResultCheck s_check = new(Vocabulary: 100, LowestReward: 0, HighestReward: 1);
    private static readonly RolloutUnit s_unit = new(
        new UnitId("u"),
        [new GenerationRequest([5, 6], 1)],
        new GenerationOptions { MaxNewTokens = 3 },
        new WeightsRef(1, "d", 1, ""),
        EndOfText.Of([50])
    );
    private static readonly GeneratedSequence s_honest = new()
    {
        PromptTokens = [5, 6],
        Tokens = [8, 50],
        Logprobs = [-1, -2],
        ReferenceLogprobs = [-1, -2],
        StateKl = [0.5f, 0],
        RetainedMass = [1, 0.5f],
        SkippedMaskSteps = [0],
        Finished = true,
        Figures = new(1, 1),
    };

    [Fact]
    public void What_an_engine_makes_passes()
    {
        Assert.Null(s_check.Problem(s_unit, new RolloutResult([s_honest])));
        var beam = s_honest with { ReferenceLogprobs = [], StateKl = [], RetainedMass = [], SkippedMaskSteps = [], Figures = null };
        Assert.Null(s_check.Problem(s_unit, new RolloutResult([beam])));
        var full = s_honest with { Tokens = [8, 9], Finished = false };
        Assert.Null(s_check.Problem(s_unit with { Options = new() { MaxNewTokens = 2 } }, new RolloutResult([full])));
        Assert.Null(s_check.Problem(Texts(2), new RewardResult([0, 1])));
    }

    public static TheoryData<string, GeneratedSequence[]> Lies =>
        new()
        {
            { "continuations for", [] },
            { "continuations for", [s_honest, s_honest] },
            { "another prompt", [s_honest with { PromptTokens = [5, 7] }] },
            { "tokens, and 1 to 3", [s_honest with { Tokens = [8, 8, 8, 8] }] },
            { "tokens, and 1 to 3", [s_honest with { Tokens = [] }] },
            { "token id 100", [s_honest with { Tokens = [100, 50] }] },
            { "token id -1", [s_honest with { Tokens = [-1, 50] }] },
            { "after its end", [s_honest with { Tokens = [50, 50] }] },
            { "says that it ended", [s_honest with { Tokens = [8, 9] }] },
            { "without an end", [s_honest with { Tokens = [8, 9], Finished = false }] },
            { "log-probability 5", [s_honest with { Logprobs = [5, -1] }] },
            { "log-probability NaN", [s_honest with { Logprobs = [-1, float.NaN] }] },
            { "values of log-probability", [s_honest with { Logprobs = [-1] }] },
            { "no log-probabilities", [s_honest with { Logprobs = [] }] },
            { "of the reference -Infinity", [s_honest with { ReferenceLogprobs = [-1, float.NegativeInfinity] }] },
            { "KL -1", [s_honest with { StateKl = [0, -1] }] },
            { "retained mass 2", [s_honest with { RetainedMass = [1, 2] }] },
            { "mask at step 2", [s_honest with { SkippedMaskSteps = [2] }] },
            { "figures of decoding", [s_honest with { Figures = new(double.NaN, 0) }] },
        };

    [Theory]
    [MemberData(nameof(Lies))]
    public void What_no_engine_makes_is_named(string problem, GeneratedSequence[] made) =>
        Assert.Contains(problem, s_check.Problem(s_unit, new RolloutResult(made)));

    [Theory]
    [InlineData("reward 1000000", 1e6f)]
    [InlineData("reward NaN", float.NaN)]
    [InlineData("reward -0.5", -0.5f)]
    public void Rewards_that_the_reward_does_not_give_are_named(string problem, float reward) =>
        Assert.Contains(problem, s_check.Problem(Texts(1), new RewardResult([reward])));

    [Fact]
    public void Too_few_rewards_and_other_kinds_are_named()
    {
        Assert.Contains("1 rewards for 2 texts", s_check.Problem(Texts(2), new RewardResult([0])));
        Assert.Contains("another kind", s_check.Problem(Texts(1), new RolloutResult([s_honest])));
    }

    private static RewardUnit Texts(int count) =>
        new(new UnitId("r"), [.. Enumerable.Repeat(new PromptContinuation("a", "b"), count)]);
}
