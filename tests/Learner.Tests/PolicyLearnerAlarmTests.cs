using DfPO.Learner.Configuration;
using DfPO.Learner.Guards;
using DfPO.Learner.Objectives;
using DfPO.Learner.Updates;
using DfPO.Models;

namespace DfPO.Learner.Tests;

/// <summary>Configured alarms, through the learner.</summary>
public sealed class PolicyLearnerAlarmTests : IDisposable
{
    private static readonly GuardOptions s_off = new()
    {
        ExplodingKl = GuardAction.Off,
        NegativeKl = GuardAction.Off,
        EntropyCollapse = GuardAction.Off,
        Repetition = GuardAction.Off,
        RewardHacking = GuardAction.Off,
    };
    private static readonly LearnerOptions s_options = new()
    {
        LearningRate = 1e-4,
        Epochs = 1,
        MinibatchSize = 4,
        MaxKl = 100,
        Guards = s_off,
    };
    private readonly TestFolder _folder = new();
    private readonly CausalLM _policy = Support.TinyPolicy();
    private readonly ValueModel _value = Support.TinyValue();
    private readonly Trajectory[] _batch;

    public PolicyLearnerAlarmTests()
    {
        using var reference = Support.TinyPolicy(3);
        _batch = Support.Trajectories(8, _policy, reference, 11);
    }

    public void Dispose()
    {
        _folder.Dispose();
        _policy.Dispose();
        _value.Dispose();
    }

    private static Trajectory[] Strange(Trajectory[] batch, float by) =>
        [
            .. batch.Select(t =>
                t with
                {
                    Reward = t.Reward + 1,
                    ReferenceLogprobs = [.. t.ReferenceLogprobs.Select(x => x - by)],
                    Logprobs = [.. t.ReferenceLogprobs.Select(x => x - by + 0.1f)],
                }
            ),
        ];

    [Fact]
    public void A_warning_saves_the_batch_reaches_the_report_and_the_run_goes_on()
    {
        using var learner = Learner(s_options with { MaxKl = 0.01, Guards = s_off with { ExplodingKl = GuardAction.Warn } });
        var warning = Assert.Single(learner.Update(_batch).Warnings);
        Assert.Equal("learner/kl-exploded", warning.Code);
        var path = Assert.Single(Saved());
        Assert.Contains(path, warning.Message);
        Assert.Equal(_batch.Select(t => t.Reward), Incident.Read(path).Trajectories.Select(t => t.Reward));

        // As long as it goes on, the first batch stands for all.
        Assert.Contains(path, Assert.Single(learner.Update(_batch).Warnings).Message);
        Assert.Single(Saved());
        Assert.Empty(
            learner
                .Update([.. _batch.Select(t => t with { ReferenceLogprobs = t.Logprobs, StateKl = new float[t.Tokens.Length] })])
                .Warnings
        );
        learner.Update(_batch);
        Assert.Equal(2, Saved().Length);
    }

    [Fact]
    public void A_collapsed_entropy_is_seen_after_the_update_and_stops_if_so_configured()
    {
        var guards = s_off with { EntropyCollapse = GuardAction.Stop, MinEntropy = 99 };
        using var learner = Learner(s_options with { Guards = guards });
        var error = Assert.Throws<DfpoException>(() => learner.Update(_batch));
        Assert.Equal("learner/entropy-collapsed", error.Code);
        Assert.Contains(Assert.Single(Directory.GetFiles(_folder["incidents"])), error.Message);
        Assert.Equal(0, learner.Iteration);
    }

    [Fact]
    public void A_policy_that_repeats_itself_stops_before_any_step()
    {
        var before = Support.Bytes(_policy);
        var stuck = _batch.Select(t => t with { Tokens = [.. t.Tokens.Select(_ => 5)] }).ToArray();
        using var learner = Learner(s_options with { Guards = s_off with { Repetition = GuardAction.Stop, MaxRepetition = 0.1 } });
        Assert.Equal("learner/repetition", Assert.Throws<DfpoException>(() => learner.Update(stuck)).Code);
        Assert.Equal(before, Support.Bytes(_policy));
    }

    [Fact]
    public void Reward_hacking_is_told_from_the_first_iterations_also_by_a_resumed_run()
    {
        var options = s_options with
        {
            Guards = s_off with { RewardHacking = GuardAction.Warn, BaselineIterations = 2, MaxPerplexityRatio = 2 },
        };
        using (var learner = Learner(options))
        {
            learner.Update(_batch);
            Assert.Empty(learner.Update(_batch).Warnings);
            learner.Save(_folder["checkpoint"]);
        }
        using var resumed = Learner(options);
        resumed.Load(_folder["checkpoint"]);
        Assert.Empty(resumed.Update(Strange(_batch, 0.5f)).Warnings);
        Assert.Equal("learner/reward-hacking", Assert.Single(resumed.Update(Strange(_batch, 1)).Warnings).Code);
    }

    [Fact]
    public void Guards_may_change_between_runs()
    {
        using (var learner = Learner(s_options))
            learner.Save(_folder["checkpoint"]);
        using var resumed = Learner(
            s_options with
            {
                Guards = new GuardOptions(),
                Grpo = new GrpoOptions { KlCoefficient = 7 },
            }
        );
        resumed.Load(_folder["checkpoint"]);
    }

    private PolicyLearner Learner(LearnerOptions options) => new(_policy, _value, options, 1, _folder["incidents"]);

    private string[] Saved() => Directory.GetFiles(Path.Combine(_folder["incidents"], "warnings"));
}
