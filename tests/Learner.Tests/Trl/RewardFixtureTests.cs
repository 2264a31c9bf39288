using System.Text.Json;
using DfPO.Learner.Supervised;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Tests.Trl;

/// <summary>reward.json through <see cref="BradleyTerryLoss"/>.</summary>
[Trait("Category", "Fixtures")]
public sealed class RewardFixtureTests
{
    private const string File = "reward.json";

    private static readonly Dictionary<string, string> s_metrics = new()
    {
        ["min_reward"] = "reward/least",
        ["mean_reward"] = "reward/mean",
        ["max_reward"] = "reward/greatest",
        ["accuracy"] = "reward/accuracy",
        ["margin"] = "reward/margin",
    };

    public static TheoryData<string> Losses => TrlFixtures.Cases(File, "cases");

    [Theory]
    [MemberData(nameof(Losses))]
    public void Loss_gradient_and_metrics(string name)
    {
        using var scope = NewDisposeScope();
        var c = TrlFixtures.Case(name, File, "cases");
        var rewards = tensor(TrlFixtures.File(File).GetProperty("rewards").Doubles(), requires_grad: true);
        var sides = rewards.view(2, -1);
        var margins = c.GetProperty("margin") is { ValueKind: JsonValueKind.Array } given ? given.Doubles() : null;
        var statistics = new Statistics();
        var loss = BradleyTerryLoss.Of(sides[0], sides[1], margins, c.Number("center_rewards_coefficient"), statistics);
        loss.backward();
        TrlFixtures.Close("loss", c.Number("loss"), loss.ToNumber(), TrlFixtures.Exact);
        TrlFixtures.Close("gradient", c.GetProperty("grad").Doubles(), rewards.grad!.data<double>().ToArray(), TrlFixtures.Exact);
        TrlFixtures.CloseMetrics(c, statistics, s_metrics, new HashSet<string>(), TrlFixtures.Exact);
    }
}
