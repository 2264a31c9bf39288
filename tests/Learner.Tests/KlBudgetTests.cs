using DfPO.Learner.Configuration;
using DfPO.Learner.Objectives;
using DfPO.Learner.Updates;
using DfPO.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Tests;

/// <summary>
/// The rule <c>budget</c> on softmax policies small enough to enumerate: each of a state's tokens stands in the batch once.
/// </summary>
public sealed class KlBudgetTests
{
    private const double ClipRange = 0.2;
    private const int Vocabulary = 10;

    [Theory]
    [InlineData(BudgetOver.Sequence)]
    [InlineData(BudgetOver.Minibatch)]
    public void Over_the_budget_a_small_natural_gradient_step_never_raises_the_kl(BudgetOver over)
    {
        var (lowered, raisedWithout) = (0, 0);
        for (ulong seed = 0; seed < 100; seed++)
        {
            var (logits, reference) = (Draw(2 * seed + 100), Draw(2 * seed + 101).LogSoftmax());
            var policy = logits.LogSoftmax();
            var (kl, advantages) = (Kl(policy, reference), Draw(seed + 500));
            double Slope(double budget)
            {
                var weights = Weights(
                    new DfpoOptions { KlBudget = budget, BudgetOver = over },
                    policy,
                    Enumerated(policy, reference, advantages, kl),
                    new Statistics()
                );
                double After(double eta) => Kl(logits.Zip(weights, (z, w) => z + eta * w).ToArray().LogSoftmax(), reference);
                return (After(1e-5) - After(-1e-5)) / 2e-5;
            }
            Assert.InRange(Slope(kl * 0.999), double.NegativeInfinity, 1e-8);
            lowered += Slope(kl * 0.999) < -1e-4 ? 1 : 0;
            raisedWithout += Slope(kl * 1.001) > 1e-4 ? 1 : 0;
        }
        Assert.InRange(lowered, 90, 100);
        Assert.InRange(raisedWithout, 20, 80);
    }

    [Fact]
    public void A_budget_of_zero_is_the_rule_centred_on_the_kl()
    {
        for (ulong seed = 0; seed < 50; seed++)
        {
            var (policy, reference) = (Draw(2 * seed + 100).LogSoftmax(), Draw(2 * seed + 101).LogSoftmax());
            var batch = Enumerated(policy, reference, Draw(seed + 500), Kl(policy, reference));
            Assert.Equal(
                Weights(new DfpoOptions { MaskRule = DfpoMaskRule.KlCentred, Tolerance = 0 }, policy, batch, new Statistics()),
                Weights(new DfpoOptions { KlBudget = 0 }, policy, batch, new Statistics())
            );
        }
    }

    [Theory]
    [InlineData(BudgetForm.Exact, BudgetOver.Sequence)]
    [InlineData(BudgetForm.Sampled, BudgetOver.Minibatch)]
    public void An_infinite_budget_is_the_clipped_policy_gradient_bit_for_bit(BudgetForm form, BudgetOver over)
    {
        using var scope = NewDisposeScope();
        var (policy, reference, advantages) = (Draw(1).LogSoftmax(), Draw(2).LogSoftmax(), Draw(3));
        var batch = Enumerated(policy, reference, advantages, 3) with { Logprobs = [.. policy.Select((p, t) => p + 0.3 * Math.Sin(t))] };
        float[] Gradient(Func<Tensor, Tensor> loss)
        {
            var logprobs = tensor(policy.Floats()).requires_grad_();
            loss(logprobs).backward();
            return logprobs.grad!.data<float>().ToArray();
        }
        var options = new DfpoOptions
        {
            MaskRule = DfpoMaskRule.Budget,
            KlBudget = double.PositiveInfinity,
            BudgetForm = form,
            BudgetOver = over,
        };
        var budget = Gradient(logprobs => new DfpoObjective(options, ClipRange).Loss(logprobs, batch, new Statistics()));
        Assert.Equal(
            Gradient(logprobs => ClippedSurrogate.Loss(logprobs, batch.Logprobs, advantages, ClipRange, new Statistics())),
            budget
        );
        Assert.Contains(budget, g => g == 0);
        Assert.Contains(budget, g => g != 0);
    }

    [Theory]
    [InlineData(BudgetForm.Exact, BudgetOver.Sequence)]
    [InlineData(BudgetForm.Exact, BudgetOver.Minibatch)]
    [InlineData(BudgetForm.Sampled, BudgetOver.Sequence)]
    [InlineData(BudgetForm.Sampled, BudgetOver.Minibatch)]
    public void A_continuation_is_masked_by_its_own_mean_or_by_the_minibatchs(BudgetForm form, BudgetOver over)
    {
        // Two continuations of two tokens; l and KL of each token; all pushed up, then all down.
        double[] l = [0.9, 0.1, 0.3, -0.4],
            kl = [0.5, 0.3, 0.02, 0.04];
        double[] k3 = [.. l.Select(x => Math.Exp(-x) - 1 + x)];
        var measured = form == BudgetForm.Exact ? kl : k3;
        double[] means = [(measured[0] + measured[1]) / 2, (measured[2] + measured[3]) / 2];
        // Between the two continuations' means, and above the mean of both together.
        var budget = (Math.Max(means.Min(), means.Average()) + means.Max()) / 2;
        foreach (var sign in new[] { 1.0, -1 })
        {
            var batch = Support.Tokens(new float[4], new float[4], [.. l.Select(_ => (float)sign)]) with
            {
                Logprobs = [.. l.Select(x => x - 2)],
                ReferenceLogprobs = [-2, -2, -2, -2],
                CurrentKl = form == BudgetForm.Exact ? kl : null,
                Sequences = [new(0, 2, false), new(2, 2, false)],
            };
            var statistics = new Statistics();
            var weights = Weights(
                new DfpoOptions
                {
                    KlBudget = budget,
                    BudgetForm = form,
                    BudgetOver = over,
                },
                [.. l.Select(x => x - 2)],
                batch,
                statistics
            );
            var expected = Enumerable
                .Range(0, 4)
                .Select(t =>
                {
                    var sequence = t / 2;
                    var held = over == BudgetOver.Minibatch ? measured.Average() : means[sequence];
                    var limit = form == BudgetForm.Exact ? kl[t] : held;
                    return held > budget && (sign > 0 ? l[t] > limit : l[t] < limit) ? 0 : sign;
                });
            Assert.Equal(expected, weights);
            Assert.Equal(over == BudgetOver.Sequence, weights.Contains(0));
            Assert.Equal(means.Average(), statistics.Means()["dfpo/kl_budget_used"], 1e-12);
            Assert.Equal(over == BudgetOver.Sequence ? 0.5 : 0, statistics.Means()["dfpo/over_budget"]);
        }
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(5, 0)]
    [InlineData(0, 1)]
    [InlineData(7, 2)]
    public void The_learner_measures_the_kl_over_the_vocabulary_whole_or_in_pieces(int chunk, int microbatch)
    {
        using var policy = Support.TinyPolicy();
        using var reference = Support.TinyPolicy(3);
        var batch = Support.Trajectories(8, policy, reference, 11);
        double[] used = [.. batch.Select(t => t.StateKl.Average(x => (double)x))];
        var budget = used.Order().Skip(3).Take(2).Average();
        var options = new LearnerOptions
        {
            LearningRate = 1e-3,
            Epochs = 1,
            MinibatchSize = 8,
            MicrobatchSize = microbatch,
            HeadChunkTokens = chunk,
            Advantages = Advantages.AdvantageKind.Reinforce,
            Dfpo = new DfpoOptions { MaskRule = DfpoMaskRule.Budget, KlBudget = budget },
            MaxKl = 100,
        };
        // What an engine says of the divergence does not matter.
        Trajectory[] misled = [.. batch.Select(t => t with { StateKl = new float[t.Tokens.Length] })];
        var frozen = Support.Bytes(reference);
        using var learner = new PolicyLearner(policy, null, options, 1, "unused", reference: reference);
        var metrics = learner.Update(misled).Metrics;
        Assert.Equal(used.Average(), metrics["dfpo/kl_budget_used"], 1e-5);
        Assert.Equal(0.5, metrics["dfpo/over_budget"]);
        // Most of these tokens lie below the KL at their state.
        Assert.InRange(metrics["dfpo/mask_negative"], 0.1, 0.99);
        Assert.Equal(frozen, Support.Bytes(reference));
    }

    [Fact]
    public void The_exact_form_insists_on_the_reference_and_the_sampled_one_does_without()
    {
        var exact = new LearnerOptions
        {
            Advantages = Advantages.AdvantageKind.Reinforce,
            Dfpo = new DfpoOptions { MaskRule = DfpoMaskRule.Budget },
        };
        using var policy = Support.TinyPolicy();
        Assert.Equal("learner/model", Assert.Throws<DfpoException>(() => new PolicyLearner(policy, null, exact, 1, "unused")).Code);
        new PolicyLearner(policy, null, exact with { Dfpo = exact.Dfpo with { BudgetForm = BudgetForm.Sampled } }, 1, "unused").Dispose();
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(7, 2)]
    public void The_scaled_rule_compares_with_the_deviation_under_the_weights_being_updated(int chunk, int microbatch)
    {
        const float Tolerance = 0.5f;
        var options = new LearnerOptions
        {
            LearningRate = 1e-3,
            Epochs = 1,
            MinibatchSize = 8,
            MicrobatchSize = microbatch,
            HeadChunkTokens = chunk,
            Advantages = Advantages.AdvantageKind.Reinforce,
            Dfpo = new DfpoOptions { MaskRule = DfpoMaskRule.Scaled, Tolerance = Tolerance },
            MaxKl = 100,
        };
        using var scope = NewDisposeScope();
        using var policy = Support.TinyPolicy();
        using var reference = Support.TinyPolicy(3);
        var batch = Support.Trajectories(8, policy, reference, 11);
        var (open, tokens) = (new Dictionary<int, int> { [1] = 0, [-1] = 0 }, new Dictionary<int, int> { [1] = 0, [-1] = 0 });
        using (no_grad())
        {
            var advantages = Advantages.RewardsToCome.Whitened([.. batch.Select(t => t.TerminalRewards())], 0.99);
            foreach (var (t, a) in batch.Zip(advantages))
            {
                var (ours, theirs) = (
                    Support.NaiveLogprobs(policy, t.PromptTokens, t.Tokens),
                    Support.NaiveLogprobs(reference, t.PromptTokens, t.Tokens)
                );
                var ratios = ours - theirs;
                var deviation = (ours.exp() * (ratios - (ours.exp() * ratios).sum(1, keepdim: true)).Squared())
                    .sum(1)
                    .sqrt()
                    .data<float>()
                    .ToArray();
                for (var i = 0; i < t.Tokens.Length; i++)
                {
                    var (sign, l) = (Math.Sign(a[i]), ratios[i, t.Tokens[i]].ToNumber());
                    tokens[sign]++;
                    open[sign] +=
                        sign > 0
                            ? l <= Tolerance * deviation[i]
                                ? 1
                                : 0
                            : l >= -Tolerance * deviation[i]
                                ? 1
                                : 0;
                }
            }
        }
        using var learner = new PolicyLearner(policy, null, options, 1, "unused", reference: reference);
        var metrics = learner.Update(batch).Metrics;
        Assert.Equal(open[1] / (double)tokens[1], metrics["dfpo/mask_positive"], 1e-9);
        Assert.Equal(open[-1] / (double)tokens[-1], metrics["dfpo/mask_negative"], 1e-9);
        Assert.InRange(metrics["dfpo/mask_positive"], 0.2, 0.95);
    }

    private static double[] Weights(DfpoOptions options, double[] current, TokenBatch batch, Statistics statistics) =>
        new DfpoObjective(
            options.MaskRule == DfpoMaskRule.Sign ? options with { MaskRule = DfpoMaskRule.Budget } : options,
            ClipRange
        ).Weights(current, batch, statistics);

    private static TokenBatch Enumerated(double[] policy, double[] reference, double[] advantages, double kl) =>
        Support.Tokens(new float[Vocabulary], new float[Vocabulary], advantages.Floats()) with
        {
            Logprobs = policy,
            ReferenceLogprobs = reference,
            Advantages = advantages,
            StateKl = [.. policy.Select(_ => kl)],
            CurrentKl = [.. policy.Select(_ => kl)],
            Sequences = [new(0, Vocabulary, false)],
        };

    private static double Kl(double[] policy, double[] reference) => policy.Zip(reference, (p, q) => Math.Exp(p) * (p - q)).Sum();

    /// <summary>Numbers of about unit size, from a seed.</summary>
    private static double[] Draw(ulong seed) =>
        [.. Enumerable.Range(0, Vocabulary).Select(i => 3 * (CounterRandom.Uniform(seed, (ulong)i) - 0.5))];
}
