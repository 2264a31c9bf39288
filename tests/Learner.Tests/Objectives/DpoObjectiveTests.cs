using DfPO.Learner.Objectives;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Tests.Objectives;

public sealed class DpoObjectiveTests : IDisposable
{
    private static readonly int[][] s_pairs =
    [
        [0, 1],
        [2, 0],
        [1, 1],
        [1, 2],
    ];
    private readonly Toy _toy = new(5);

    public void Dispose() => _toy.Dispose();

    [Theory]
    [InlineData(0)]
    [InlineData(0.2)]
    public void Loss_is_the_papers_and_its_gradient_that_of_finite_differences(double smoothing)
    {
        var dpo = new DpoObjective(new DpoOptions { Beta = 0.5, LabelSmoothing = smoothing });
        var statistics = new Statistics();
        Tensor Loss(Tensor logits) => dpo.Loss(Toy.Logprobs(logits, s_pairs), _toy.Batch([new double[8]], s_pairs), statistics);
        double[] margins = [Margin(s_pairs[0], s_pairs[1], 0.5), Margin(s_pairs[2], s_pairs[3], 0.5)];
        static double LogSigmoid(double x) => -Math.Log(1 + Math.Exp(-x));
        Assert.Equal(
            -margins.Average(m => (1 - smoothing) * LogSigmoid(m) + smoothing * LogSigmoid(-m)),
            Loss(_toy.Logits.detach()).ToNumber(),
            1e-6
        );
        Assert.Equal(margins.Average(), statistics.Means()["dpo/margin"], 1e-6);
        Assert.Equal(margins.Count(m => m > 0) / 2.0, statistics.Means()["dpo/accuracy"]);
        Support.Close(_toy.FiniteDifferences(Loss), _toy.Gradient(Loss), 1e-6);
    }

    [Fact]
    public void The_gradient_is_weighed_by_how_wrong_the_implicit_reward_is()
    {
        // Equation 7 of the paper: -beta sigmoid(-margin) (d log pi(chosen) - d log pi(rejected)).
        var (chosen, rejected) = (s_pairs[0], s_pairs[1]);
        var dpo = new DpoObjective(new DpoOptions { Beta = 0.5 });
        var weight = -0.5 / (1 + Math.Exp(Margin(chosen, rejected, 0.5)));
        Support.Close(
            _toy.Gradient(logits => (Toy.Logprobs(logits, chosen).sum() - Toy.Logprobs(logits, rejected).sum()).Times(weight)),
            _toy.Gradient(logits =>
                dpo.Loss(Toy.Logprobs(logits, chosen, rejected), _toy.Batch([new double[4]], chosen, rejected), new Statistics())
            ),
            1e-6
        );
    }

    [Fact]
    public void The_best_and_the_worst_of_a_prompt_make_a_pair_unless_they_are_equally_good()
    {
        Trajectory[] batch =
        [
            _toy.Trajectory([0, 0], 1, 0.5),
            _toy.Trajectory([0, 1], 2, 0.3),
            _toy.Trajectory([0, 2], 1, 0.9),
            _toy.Trajectory([1, 0], 1, 0.1),
            _toy.Trajectory([1, 1], 2, 0.3),
        ];
        var pair = Assert.Single(new DpoObjective(new DpoOptions()).Bundles(batch));
        Assert.Same(batch[2], pair[0]);
        Assert.Same(batch[3], pair[1]);
    }

    [Fact]
    public void Offline_pairs_need_no_rollouts()
    {
        var dpo = new DpoObjective(new DpoOptions { Pairs = DpoPairs.Offline });
        var pair = new PreferencePair([7], [0, 1], [2], [-1, -2], [-3]).Trajectories(group: 4);
        Assert.Equal(0, dpo.Traits.SamplesPerPrompt);
        Assert.Equal(pair, Assert.Single(dpo.Bundles(pair)));
        Assert.Equal([0, 1], dpo.Bundles(pair)[0][0].Tokens);
        Assert.All(pair, side => Assert.Equal((4, 7), (side.Group, side.PromptTokens[0])));
    }

    private double Margin(int[] chosen, int[] rejected, double beta)
    {
        double LogRatio(int[] y) => (Toy.Logprobs(_toy.Logits.detach(), y) - Toy.Logprobs(_toy.Reference, y)).sum().ToNumber();
        return beta * (LogRatio(chosen) - LogRatio(rejected));
    }
}
