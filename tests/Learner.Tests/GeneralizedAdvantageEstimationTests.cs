using DfPO.Learner.Advantages;
using DfPO.Learner.Objectives;
using DfPO.Models.Policies;

namespace DfPO.Learner.Tests;

public sealed class GeneralizedAdvantageEstimationTests
{
    [Fact]
    [Trait("Category", "Fixtures")]
    public void Every_stream_of_the_fixture_has_its_advantages_and_returns()
    {
        foreach (var (_, expected) in Support.Fixtures("gae"))
            foreach (var c in expected.GetProperty("gae").GetProperty("cases").EnumerateArray())
            {
                var (gamma, lambda) = (c.GetProperty("gamma").GetDouble(), c.GetProperty("lambda").GetDouble());
                double[][] Field(string name) => c.GetProperty(name).Matrix();
                var last = c.GetProperty("last_value").Doubles();
                for (var row = 0; row < last.Length; row++)
                {
                    var dones = Field("dones")[row].Select(d => d == 1).ToArray();
                    var got = GeneralizedAdvantageEstimation.Estimate(
                        Field("rewards")[row],
                        Field("values")[row],
                        dones,
                        last[row],
                        gamma,
                        lambda
                    );
                    Support.Close(Field("advantages")[row], got.Advantages, 1e-12);
                    Support.Close(Field("returns")[row], got.Returns, 1e-12);
                }
            }
    }

    [Fact]
    [Trait("Category", "Fixtures")]
    public void Texts_rewarded_at_the_end_with_a_penalty_a_token_have_the_fixtures_rewards_advantages_and_normalisation()
    {
        foreach (var (_, expected) in Support.Fixtures("text_episode_gae"))
        {
            var c = expected.GetProperty("text_episode_gae");
            var ppo = new PpoObjective(new PpoOptions { KlCoefficient = c.GetProperty("kl_coef").GetDouble() }, 0.2);
            var all = new List<double>();
            var lengths = c.GetProperty("lengths").EnumerateArray().Select(x => x.GetInt32()).ToArray();
            for (var row = 0; row < lengths.Length; row++)
            {
                double[] Field(string name) => c.GetProperty(name).Matrix()[row][..lengths[row]];
                var trajectory = new Trajectory
                {
                    PromptTokens = [0],
                    Tokens = new int[lengths[row]],
                    Logprobs = Field("kl_per_token").Floats(),
                    ReferenceLogprobs = new float[lengths[row]],
                    StateKl = new float[lengths[row]],
                    Reward = (float)c.GetProperty("scores")[row].GetDouble(),
                    Behaviour = DecodingPolicy.Policy,
                };
                Support.Close(Field("rewards"), ppo.TokenRewards(trajectory), 1e-7);
                var got = GeneralizedAdvantageEstimation.Episode(
                    Field("rewards"),
                    Field("values"),
                    c.GetProperty("gamma").GetDouble(),
                    c.GetProperty("lambda").GetDouble()
                );
                Support.Close(Field("advantages"), got.Advantages, 1e-12);
                Support.Close(Field("returns"), got.Returns, 1e-12);
                all.AddRange(got.Advantages);
            }
            var normalised = c.GetProperty("advantages_normalised_sb3").Masked(c.GetProperty("mask"));
            Support.Close(normalised, PpoObjective.Normalized([.. all]), 1e-9);
        }
    }

    [Fact]
    public void With_lambda_1_and_gamma_1_the_return_is_the_sum_of_rewards_to_come_whatever_the_values()
    {
        var got = GeneralizedAdvantageEstimation.Episode([1, 2, 4], [0.3, -5, 2], gamma: 1, lambda: 1);
        Support.Close([7, 6, 4], got.Returns, 1e-12);
    }
}
