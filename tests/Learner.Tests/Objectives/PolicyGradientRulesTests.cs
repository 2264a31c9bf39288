using DfPO.Learner.Objectives;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Tests.Objectives;

/// <summary>
/// Rules that estimate the policy gradient, against the gradient itself: every outcome is enumerated and weighed with its probability.
/// </summary>
public sealed class PolicyGradientRulesTests : IDisposable
{
    // Log-probabilities and advantages pass through float32.
    private const double Tolerance = 2e-6;
    private readonly Toy _toy = new(3);

    public void Dispose() => _toy.Dispose();

    [Fact]
    public void A2cs_expected_gradient_is_that_of_the_expected_reward_whatever_the_baseline()
    {
        var a2c = new A2cObjective(new A2cOptions());
        foreach (var baseline in new[] { 0, 0.8 })
            Support.Close(_toy.NegativeGradientOfExpectation(Toy.Reward), Expected(1, sequences =>
                {
                    // The mean over two tokens halves the sum that the policy gradient is.
                    var advantage = 2 * (Toy.Reward(sequences[0]) - baseline);
                    return logits =>
                        a2c.Loss(
                            Toy.Logprobs(logits, sequences),
                            _toy.Batch(
                                [
                                    [advantage, advantage],
                                ],
                                sequences
                            ),
                            new Statistics()
                        );
                }), Tolerance);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(0.3)]
    public void Rloos_expected_gradient_is_that_of_the_expected_penalised_reward(double beta)
    {
        var rloo = new RlooObjective(new RlooOptions { KlCoefficient = beta }, 0.2);
        double Penalised(int[] y) => Toy.Reward(y) - beta * (Sum(_toy.Logits, y) - Sum(_toy.Reference, y));
        // The penalty's own dependence on the parameters has no expected gradient: sum_y pi(y) d log pi(y) = 0.
        Support.Close(_toy.NegativeGradientOfExpectation(Penalised), Expected(2, sequences =>
            {
                var advantages = rloo.Advantages([.. sequences.Select(y => _toy.Trajectory(y))]);
                return logits => rloo.Loss(Toy.Logprobs(logits, sequences), _toy.Batch(advantages, sequences), new Statistics());
            }), Tolerance);
    }

    [Fact]
    public void Grpos_expected_gradient_with_centred_rewards_is_that_of_the_expected_reward_but_for_the_bias_of_a_mean_that_counts_itself()
    {
        const int Size = 2;
        var grpo = new GrpoObjective(
            new GrpoOptions
            {
                KlCoefficient = 0,
                ScaleRewards = RewardScale.None,
                LossType = GrpoLossType.DrGrpo,
                MaxCompletionLength = 1,
            },
            0.2
        );
        var exact = _toy.NegativeGradientOfExpectation(Toy.Reward).Select(g => g * (Size - 1) / Size).ToArray();
        Support.Close(exact, Expected(Size, sequences =>
            {
                var advantages = grpo.Advantages([.. sequences.Select(y => _toy.Trajectory(y))]);
                return logits => grpo.Loss(Toy.Logprobs(logits, sequences), _toy.Batch(advantages, sequences), new Statistics());
            }), Tolerance);
    }

    [Fact]
    public void Grpos_kl_term_is_unbiased()
    {
        var grpo = new GrpoObjective(
            new GrpoOptions
            {
                KlCoefficient = 1,
                LossType = GrpoLossType.DrGrpo,
                MaxCompletionLength = 1,
            },
            0.2
        );
        var expected = Toy.Sequences.Sum(y =>
            _toy.Probability(y)
            * grpo.Loss(
                    Toy.Logprobs(_toy.Logits.detach(), y),
                    _toy.Batch(
                        [
                            [0, 0],
                        ],
                        y
                    ),
                    new Statistics()
                )
                .ToNumber()
        );
        var kl = Toy.Sequences.Sum(y => _toy.Probability(y) * (Sum(_toy.Logits, y) - Sum(_toy.Reference, y)));
        Assert.Equal(kl, expected, 1e-6);
    }

    [Fact]
    public void Reinforce_plus_plus_credits_each_token_with_the_rewards_to_come_whitened_over_the_batch()
    {
        var rule = new ReinforcePlusPlusObjective(new ReinforcePlusPlusOptions { KlCoefficient = 0.2, Gamma = 0.9 }, 0.2);
        Trajectory[] batch = [_toy.Trajectory([0, 1]), _toy.Trajectory([2, 2]), _toy.Trajectory([1, 0])];
        var raw = batch
            .SelectMany(t =>
            {
                double Kl(int i) => (double)t.Logprobs[i] - t.ReferenceLogprobs[i];
                var last = t.Reward - 0.2 * Kl(1);
                return new[] { -0.2 * Kl(0) + 0.9 * last, last };
            })
            .ToArray();
        var mean = raw.Average();
        var deviation = Math.Sqrt(raw.Sum(x => (x - mean) * (x - mean)) / raw.Length);
        Support.Close([.. raw.Select(x => (x - mean) / deviation)], [.. rule.Advantages(batch).SelectMany(a => a)], 1e-6);
    }

    /// <summary>Gradient of a loss of k independent sequences, in expectation.</summary>
    private double[] Expected(int k, Func<int[][], Func<Tensor, Tensor>> loss)
    {
        IEnumerable<int[][]> tuples =
        [
            [],
        ];
        for (var i = 0; i < k; i++)
            tuples = tuples.SelectMany(head => Toy.Sequences.Select(y => (int[][])[.. head, y]));
        var sum = new double[(1 + Toy.Vocabulary) * Toy.Vocabulary];
        foreach (var tuple in tuples)
        {
            using var scope = NewDisposeScope();
            var probability = tuple.Aggregate(1.0, (p, y) => p * _toy.Probability(y));
            var gradient = _toy.Gradient(loss(tuple));
            for (var i = 0; i < sum.Length; i++)
                sum[i] += probability * gradient[i];
        }
        return sum;
    }

    private static double Sum(Tensor logits, int[] y) => Toy.Logprobs(logits.detach(), y).sum().ToNumber();
}
