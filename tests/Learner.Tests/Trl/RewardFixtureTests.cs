using System.Text.Json;
using DfPO.Learner.Supervised;
using DfPO.Models.Classifiers;
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

    /// <summary>The same through what <c>train-reward --pairs</c> does with a batch, in passes of a few pairs.</summary>
    [Theory]
    [MemberData(nameof(Losses))]
    public void The_trainer_adds_up_to_the_same_loss_and_gradient(string name)
    {
        var c = TrlFixtures.Case(name, File, "cases");
        var rewards = TrlFixtures.File(File).GetProperty("rewards").Doubles();
        var margins = c.GetProperty("margin") is { ValueKind: JsonValueKind.Array } given ? given.Doubles() : null;
        using var model = new GivenScores(rewards);
        var count = rewards.Length / 2;
        PairTokens[] pairs = [.. Enumerable.Range(0, count).Select(i => new PairTokens([i], [count + i, 0], margins?[i]))];
        var loss = PairTrainer.Backward(model, pairs, c.Number("center_rewards_coefficient"));
        TrlFixtures.Close("loss", c.Number("loss"), loss, TrlFixtures.Exact);
        TrlFixtures.Close("gradient", c.GetProperty("grad").Doubles(), model.Gradient, TrlFixtures.Exact);
        var figures = PairTrainer.Measure(model, pairs);
        var expected = c.GetProperty("metrics");
        Assert.Equal(expected.Number("accuracy"), figures.Right / (double)figures.Count, 12);
        Assert.Equal(expected.Number("margin"), figures.Margin, 1e-6);
        Assert.Equal(expected.Number("mean_reward"), figures.Mean, 1e-6);
    }

    /// <summary>A reward model that says the score of a text's first token.</summary>
    private sealed class GivenScores : SequenceClassifier
    {
        private readonly TorchSharp.Modules.Parameter _scores;

        public GivenScores(double[] scores)
            : base(nameof(GivenScores))
        {
            _scores = new TorchSharp.Modules.Parameter(tensor(scores));
            RegisterComponents();
        }

        public double[] Gradient => _scores.grad!.data<double>().ToArray();

        public override IReadOnlyList<string> Labels => ["reward"];

        public override int VocabularySize => (int)_scores.size(0);

        public override int MaxTokens => 8;

        public override void Initialise(ulong seed) { }

        public override Tensor Logits(Tensor inputIds, Tensor lengths) => _scores[inputIds.select(1, 0)].unsqueeze(1);
    }
}
