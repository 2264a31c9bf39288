using DfPO.Learner.Objectives;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Tests.Objectives;

public sealed class GroupAdvantagesTests
{
    [Fact]
    [Trait("Category", "Fixtures")]
    public void Group_advantages_are_the_fixtures()
    {
        foreach (var (_, expected) in Support.Fixtures("group_advantages"))
        {
            var c = expected.GetProperty("group_advantages");
            var rewards = c.GetProperty("rewards").Matrix();
            void Same(string name, Func<double[], double[]> ours)
            {
                foreach (var (theirs, group) in c.GetProperty(name).Matrix().Zip(rewards))
                    Support.Close(theirs, ours(group), 1e-12);
            }
            Same("mean_only", GroupAdvantages.Centred);
            Same("grpo_unbiased_std_eps1e-4", group => GroupAdvantages.Standardised(group));
            Same("rloo", GroupAdvantages.LeaveOneOut);
        }
    }

    [Fact]
    [Trait("Category", "Fixtures")]
    public void Whitened_and_normalised_advantages_are_the_fixtures()
    {
        foreach (var (_, expected) in Support.Fixtures("text_episode_gae"))
        {
            var c = expected.GetProperty("text_episode_gae");
            double[] Field(string name) => c.GetProperty(name).Masked(c.GetProperty("mask"));
            Support.Close(Field("advantages_whitened_pop_var_eps_in_sqrt"), Advantages.RewardsToCome.Whitened(Field("advantages")), 1e-9);
            Support.Close(Field("advantages_normalised_sb3"), PpoObjective.Normalized(Field("advantages")), 1e-9);
        }
    }

    [Fact]
    [Trait("Category", "Fixtures")]
    public void Token_and_sequence_means_are_the_fixtures()
    {
        foreach (var (_, expected) in Support.Fixtures("ppo_policy"))
        {
            using var scope = NewDisposeScope();
            var c = expected.GetProperty("ppo_policy");
            double[] Field(string name) => c.GetProperty(name).Masked(c.GetProperty("mask"));
            var (spans, start) = (new List<SequenceSpan>(), 0);
            foreach (var row in c.GetProperty("mask").Matrix())
            {
                spans.Add(new SequenceSpan(start, (int)row.Sum(), false));
                start += (int)row.Sum();
            }
            var perToken = ClippedSurrogate
                .PerToken(
                    tensor(Field("logprobs")),
                    Field("old_logprobs"),
                    Field("advantages"),
                    c.GetProperty("clip").GetDouble(),
                    new Statistics()
                )
                .neg();
            Support.Close(Field("per_token_loss"), perToken.ToDoubles(), 1e-9);
            var batch = Support.Tokens([], [], []) with
            {
                Logprobs = Field("old_logprobs"),
                ReferenceLogprobs = Field("logprobs"),
                Advantages = Field("advantages"),
                Sequences = spans,
            };
            foreach (
                var (how, name) in new[]
                {
                    (GrpoLossType.Bnpo, "loss_mask_mean"),
                    (GrpoLossType.Grpo, "loss_seq_mean_token_mean"),
                    (GrpoLossType.DrGrpo, "loss_seq_mean_token_sum"),
                }
            )
            {
                var grpo = new GrpoObjective(
                    new GrpoOptions { LossType = how, MaxCompletionLength = 1 },
                    c.GetProperty("clip").GetDouble()
                );
                Assert.Equal(
                    c.GetProperty(name).GetDouble(),
                    grpo.Loss(tensor(Field("logprobs")), batch, new Statistics()).ToNumber(),
                    1e-9
                );
            }
        }
    }

    [Fact]
    public void A_group_gets_its_own_baseline_wherever_its_members_stand()
    {
        Trajectory Member(int group, float reward, int length) =>
            Trajectory.Demonstrated([1], new int[length]) with
            {
                Group = group,
                Reward = reward,
            };
        var advantages = new GrpoObjective(new GrpoOptions { ScaleRewards = RewardScale.None }, 0.2).Advantages([
            Member(4, 1, 2),
            Member(9, 10, 1),
            Member(4, 3, 1),
            Member(9, 30, 3),
        ]);
        Assert.Equal(
            [
                [-1, -1],
                [-10],
                [1],
                [10, 10, 10],
            ],
            advantages
        );
    }

    [Fact]
    public void A_group_of_equal_rewards_teaches_nothing() => Assert.Equal([0, 0, 0], GroupAdvantages.Standardised([0.5, 0.5, 0.5]));
}
