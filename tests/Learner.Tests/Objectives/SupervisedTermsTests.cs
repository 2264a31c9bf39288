using DfPO.Learner.Configuration;
using DfPO.Learner.Objectives;
using DfPO.Learner.Updates;
using DfPO.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Tests.Objectives;

public sealed class SupervisedTermsTests : IDisposable
{
    private readonly Toy _toy = new(8);

    public void Dispose() => _toy.Dispose();

    [Fact]
    public void The_mixed_loss_is_ppos_over_what_was_drawn_plus_the_likelihood_of_what_was_given()
    {
        int[][] sequences =
        [
            [0, 1],
            [1, 1],
            [2, 0],
            [0, 2],
        ];
        double[] advantages = [0.5, -0.2, 0.9, -1.1];
        var batch = _toy.Batch(
            [
                [0.5, -0.2],
                [7, 7],
                [0.9, -1.1],
                [7, 7],
            ],
            sequences
        ) with
        {
            Sequences = [new(0, 2, false), new(2, 2, true), new(4, 2, false), new(6, 2, true)],
        };
        // Some way off the old policy, so that the ratio matters.
        using var moved = _toy.Logits.detach().Plus(_toy.Reference.Times(0.05));
        var mixed = new PpoSupervisedObjective(new PpoSupervisedOptions { Coefficient = 0.3 }, new PpoOptions(), 0.2);
        Tensor Loss(Tensor logits) => mixed.Loss(Toy.Logprobs(logits, sequences), batch, new Statistics());

        var mean = advantages.Average();
        var deviation = Math.Sqrt(advantages.Sum(a => (a - mean) * (a - mean)) / 3);
        var (now, old) = (
            Toy.Logprobs(moved, [0, 1], [2, 0]).data<double>().ToArray(),
            Toy.Logprobs(_toy.Logits.detach(), [0, 1], [2, 0]).data<double>().ToArray()
        );
        var ppo = -advantages
            .Select(
                (a, t) =>
                {
                    var (w, rho) = ((a - mean) / deviation, Math.Exp(now[t] - old[t]));
                    return Math.Min(rho * w, Math.Clamp(rho, 0.8, 1.2) * w);
                }
            )
            .Average();
        var likelihood = -Toy.Logprobs(moved, [1, 1], [0, 2]).mean().ToNumber();
        Assert.Equal(ppo + 0.3 * likelihood, Loss(moved).ToNumber(), 1e-6);
        Support.Close(_toy.FiniteDifferences(Loss), _toy.Gradient(Loss), 1e-6);
    }

    [Fact]
    public void Supervised_learning_raises_the_likelihood_of_given_texts_without_rollouts_and_without_a_value_model()
    {
        using var policy = Support.TinyPolicy();
        using var folder = new TestFolder();
        var batch = Enumerable.Range(0, 4).Select(i => Trajectory.Demonstrated([i, 3], [5 + i, 9, 11, 2])).ToArray();
        var options = new LearnerOptions
        {
            Objective = ObjectiveKind.Supervised,
            LearningRate = 3e-3,
            MinibatchSize = 2,
            Epochs = 10,
        };
        double Likelihood() =>
            batch.Average(t =>
                Support
                    .NaiveLogprobs(policy, t.PromptTokens, t.Tokens)
                    .gather(1, tensor(t.Tokens.Select(x => (long)x).ToArray()).unsqueeze(1))
                    .mean()
                    .ToNumber()
            );
        using var scope = NewDisposeScope();
        using var learner = new PolicyLearner(policy, value: null, options, 1, folder["incidents"]);
        var before = Likelihood();
        var report = learner.Update(batch);
        Assert.True(Likelihood() > before + 1, $"{before} to {Likelihood()}");
        Assert.Equal(["grad/norm", "learner/lr", "objective/entropy", "policy/loss", "supervised/nll"], report.Metrics.Keys.Order());
    }

    [Fact]
    public void A_prompt_without_a_given_text_is_refused()
    {
        using var policy = Support.TinyPolicy();
        using var value = Support.TinyValue();
        using var learner = new PolicyLearner(
            policy,
            value,
            new LearnerOptions { Objective = ObjectiveKind.PpoSupervised, MinibatchSize = 1 },
            1,
            "unused"
        );
        var error = Assert.Throws<DfpoException>(() => learner.Update([_toy.Trajectory([0, 1])]));
        Assert.Equal("learner/batch", error.Code);
        Assert.Contains("demonstration", error.Message);
    }
}
