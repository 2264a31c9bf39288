using DfPO.Learner.Configuration;
using DfPO.Learner.Objectives;
using DfPO.Learner.Passes;
using DfPO.Learner.Updates;
using DfPO.Models;

namespace DfPO.Learner.Tests.Objectives;

public sealed class KtoObjectiveTests
{
    private static readonly LearnerOptions s_options = new()
    {
        Objective = ObjectiveKind.Kto,
        LearningRate = 1e-2,
        Epochs = 1,
        MinibatchSize = 8,
        MaxKl = 100,
    };

    [Fact]
    public void What_is_above_its_prompts_mean_is_wanted_and_what_is_at_it_is_left_out()
    {
        var (policy, reference) = (Support.TinyPolicy(1), Support.TinyPolicy(1));
        var batch = Support.Trajectories(6, policy, reference, 3);
        float[] rewards = [1, 2, 3, 5, 5, 5];
        batch = [.. batch.Select((t, i) => t with { Group = i / 3, Reward = rewards[i] })];
        var objective = new KtoObjective(new KtoOptions());
        var bundles = objective.Bundles(batch);
        Assert.Equal([batch[0], batch[2]], bundles.Select(Assert.Single));
        Assert.Equal([-1, 1], objective.Advantages([.. bundles.Select(bundle => bundle[0])]).Select(a => a.Distinct().Single()));
    }

    [Fact]
    public void A_prompt_is_scored_with_the_next_other_prompts_continuation_as_far_as_it_fits()
    {
        Trajectory Of(int[] prompt, int[] tokens) => Trajectory.Demonstrated(prompt, tokens);
        Trajectory[] batch = [Of([1], [10, 11, 12, 13]), Of([1], [20]), Of([2, 2], [30, 31, 32])];
        var mismatched = MismatchedPass.Mismatched(batch, maxPositions: 4);
        Assert.Equal(batch.Select(t => t.PromptTokens), mismatched.Select(t => t.PromptTokens));
        Assert.Equal(
            [
                [30, 31, 32],
                [30, 31, 32],
                [10, 11],
            ],
            mismatched.Select(t => t.Tokens)
        );
    }

    [Fact]
    public void The_kl_is_of_the_mismatched_continuations_and_the_wanted_ones_become_likelier()
    {
        var (policy, reference) = (Support.TinyPolicy(1), Support.TinyPolicy(3));
        var batch = EveryObjective.Batch(s_options, policy, reference, 11);
        var expected = MismatchedPass
            .Mismatched(batch, policy.MaxPositions)
            .Average(t => Logprobs(policy, t).Zip(Logprobs(reference, t), (ours, theirs) => ours - theirs).Sum());
        using var learner = new PolicyLearner(policy, null, s_options, 7, "unused", reference: reference);
        double Gap() => new KtoObjective(new KtoOptions()).Advantages(batch).Zip(batch, (a, t) => a[0] * Logprobs(policy, t).Sum()).Sum();
        var before = Gap();
        var kl = learner.Update(batch).Metrics["kto/kl"];
        Assert.Equal(Math.Max(0, expected), kl, 1e-4);
        Assert.True(Gap() > before, $"{Gap()} is not above {before}");
    }

    [Fact]
    public void A_learner_without_the_reference_is_refused()
    {
        var error = Assert.Throws<DfpoException>(() => new PolicyLearner(Support.TinyPolicy(), null, s_options, 1, "unused"));
        Assert.Equal("learner/model", error.Code);
        Assert.Contains("reference", error.Message);
    }

    private static double[] Logprobs(CausalLM model, Trajectory t)
    {
        using var _ = TorchSharp.torch.no_grad();
        var rows = Support.NaiveLogprobs(model, t.PromptTokens, t.Tokens);
        return [.. t.Tokens.Select((token, i) => (double)rows[i, token].item<float>())];
    }
}
