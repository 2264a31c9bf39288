using DfPO.Learner.Configuration;
using DfPO.Learner.Objectives;
using DfPO.Learner.Updates;

namespace DfPO.Learner.Tests.Objectives;

public sealed class StepTokensTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Dapo_weighs_every_token_of_an_iteration_alike_whatever_minibatch_it_is_in(bool withoutTruncated)
    {
        using var policy = Support.TinyPolicy();
        using var reference = Support.TinyPolicy(3);
        var options = EveryObjective.Options with
        {
            Objective = ObjectiveKind.Grpo,
            // So small a step that the second minibatch sees the first one's policy.
            LearningRate = 1e-12,
            Epochs = 1,
            Grpo = new GrpoOptions
            {
                LossType = GrpoLossType.Dapo,
                KlCoefficient = 0,
                MaskTruncatedCompletions = withoutTruncated,
            },
        };
        Trajectory[] batch = [.. EveryObjective.Batch(options, policy, reference, 11).Select((t, i) => t with { Truncated = i % 3 == 0 })];
        using var learner = new PolicyLearner(policy, null, options, 7, "unused");
        var loss = learner.Update(batch).Metrics["policy/loss"];

        var advantages = new GrpoObjective(options.Grpo, 0.2).Advantages(batch);
        bool Counts(Trajectory t) => !(withoutTruncated && t.Truncated);
        var tokens = batch.Where(Counts).Sum(t => t.Tokens.Length);
        var push = batch.Zip(advantages).Where(pair => Counts(pair.First)).Sum(pair => pair.Second.Sum());
        // The mean over two minibatches of sums that are divided by half of the iteration's tokens.
        Assert.Equal(-push / tokens, loss, 1e-4);
        Assert.True(Math.Abs(loss) > 0.01, $"{loss}");
    }
}
