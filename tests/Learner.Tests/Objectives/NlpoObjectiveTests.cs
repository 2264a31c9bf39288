using DfPO.Learner.Advantages;
using DfPO.Learner.Configuration;
using DfPO.Learner.Objectives;
using DfPO.Learner.Passes;
using DfPO.Learner.Updates;
using DfPO.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Tests.Objectives;

public sealed class NlpoObjectiveTests : IDisposable
{
    private static readonly LearnerOptions s_options = new()
    {
        Objective = ObjectiveKind.Nlpo,
        LearningRate = 1e-3,
        Epochs = 1,
        MinibatchSize = 8,
        MaxGradNorm = 1e9,
        MaxKl = 100,
        RolloutCorrection = RolloutCorrection.None,
        Nlpo = new NlpoOptions
        {
            TopP = 0.8,
            MinTokensToKeep = 4,
            RefreshEvery = 2,
        },
    };
    private readonly CausalLM _policy = Support.TinyPolicy(1);
    private readonly CausalLM _reference = Support.TinyPolicy(3);
    private readonly ValueModel _value = Support.TinyValue();
    private readonly CausalLM _maskModel = Support.TinyPolicy(40);

    public void Dispose()
    {
        _policy.Dispose();
        _reference.Dispose();
        _value.Dispose();
        _maskModel.Dispose();
    }

    [Theory]
    [InlineData(0.7, 1)]
    [InlineData(0.7, 5)]
    [InlineData(0.05, 1)]
    [InlineData(1, 1)]
    public void The_mask_holds_the_likeliest_tokens_up_to_p_the_least_number_and_the_end_of_text(double topP, int least)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(6);
        using var model = new Models.Gpt2.Gpt2LMHeadModel(
            new Models.Gpt2.Gpt2Config
            {
                VocabSize = 12,
                NPositions = 4,
                NEmbd = 16,
                NLayer = 1,
                NHead = 1,
                EosTokenId = 3,
            }
        );
        var logits = randn([20, 12], generator: generator).Times(2);
        var keep = new MaskPolicy(model, new MaskPolicyTraits(topP, least, 1, true), 3).Keep(logits);
        for (var row = 0; row < 20; row++)
        {
            var probabilities = nn.functional.softmax(logits[row].to(ScalarType.Float64), 0).data<double>().ToArray();
            var (expected, mass) = (new bool[12], 0.0);
            foreach (
                var (token, rank) in Enumerable
                    .Range(0, 12)
                    .OrderByDescending(token => probabilities[token])
                    .Select((token, rank) => (token, rank))
            )
            {
                expected[token] = mass < topP || rank < least || token == 3;
                mass += probabilities[token];
            }
            Assert.Equal(expected, keep[row].data<bool>().ToArray());
        }
    }

    [Fact]
    public void The_gradient_is_ppos_on_the_renormalised_policy_and_forbidden_tokens_get_no_push()
    {
        using var scope = NewDisposeScope();
        var batch = Support.Trajectories(8, _policy, _reference, 11);
        using var learner = new PolicyLearner(_policy, _value, s_options, 1, "unused", _maskModel);
        var metrics = learner.Update(batch).Metrics;

        // A token at a time, from full distributions, in the order of the batch; the mask policy still is the initial policy.
        var naive = Support.TinyPolicy(1);
        var value = Support.TinyValue();
        var (masked, advantages) = (new List<Tensor>(), new List<double>());
        var outside = 0;
        foreach (var t in batch)
        {
            var distributions = Support.NaiveLogprobs(naive, t.PromptTokens, t.Tokens);
            long[] ids = [.. t.PromptTokens.Concat(t.Tokens).Select(x => (long)x)];
            var v = value.Values(tensor(ids).unsqueeze(0))[0].narrow(0, t.PromptTokens.Length - 1, t.Tokens.Length).data<float>().ToArray();
            var rewards = t
                .Tokens.Select(
                    (_, i) => -0.1 * ((double)t.Logprobs[i] - t.ReferenceLogprobs[i]) + (i == t.Tokens.Length - 1 ? t.Reward : 0)
                )
                .ToArray();
            for (var i = 0; i < t.Tokens.Length; i++)
            {
                var allowed = Allowed(distributions[i]);
                if (!allowed.Contains(t.Tokens[i]))
                {
                    outside++;
                    continue;
                }
                masked.Add(
                    distributions[i, t.Tokens[i]]
                        - distributions[i].index_select(0, tensor(allowed.Select(x => (long)x).ToArray())).logsumexp(0)
                );
                advantages.Add(
                    Enumerable
                        .Range(i, t.Tokens.Length - i)
                        .Sum(j => Math.Pow(0.99 * 0.95, j - i) * (rewards[j] + (j + 1 < t.Tokens.Length ? 0.99 * v[j + 1] : 0) - v[j]))
                );
            }
        }
        var mean = advantages.Average();
        var deviation = Math.Sqrt(advantages.Sum(a => (a - mean) * (a - mean)) / (advantages.Count - 1));
        var count = batch.Sum(t => t.Tokens.Length);
        // At the first step the ratio is one, so the loss is the sum of the normalised advantages, and its gradient the policy gradient.
        var loss = masked
            .Zip(advantages, (log, a) => (log - log.detach()).exp().Times((a - mean) / deviation))
            .Aggregate((a, b) => a.Plus(b))
            .neg()
            .Over(count);
        loss.backward();
        Assert.True(outside > 0 && outside < count);
        Assert.Equal(outside / (double)count, metrics["nlpo/outside_mask"], 1e-12);
        Assert.Equal(loss.ToNumber(), metrics["policy/loss"], 1e-5);
        Assert.Equal(1, metrics["policy/ratio"], 1e-5);
        // The whole step's norm holds the value's gradient as well; the policy's own shows in where its weights went.
        var moved = naive
            .named_parameters()
            .Zip(_policy.named_parameters())
            .Where(p => !p.First.name.EndsWith("c_attn.bias"))
            .Select(p =>
            {
                using var _ = no_grad();
                var gradient = p.First.parameter.grad!;
                var step = p.Second.parameter - p.First.parameter;
                var telling = gradient.abs().Above(1e-5);
                return ((step.sign() == gradient.sign().neg()).logical_and(telling).sum().ToInteger(), telling.sum().ToInteger());
            })
            .ToArray();
        Assert.True(moved.Sum(m => m.Item2) > 5000);
        Assert.Equal(moved.Sum(m => m.Item2), moved.Sum(m => m.Item1));
    }

    [Fact]
    public void Stale_tokens_are_weighed_by_the_ratio_of_masked_policies()
    {
        using var scope = NewDisposeScope();
        // As the second update begins, policy and mask policy are the initial one.
        var options = s_options with
        {
            RolloutCorrection = RolloutCorrection.Token,
            ValueWarmupIterations = 1,
            Nlpo = s_options.Nlpo with { RefreshEvery = 9 },
        };
        Trajectory[] batch =
        [
            .. Support
                .Trajectories(8, Support.TinyPolicy(6), _reference, 11)
                .Select(t => t with { WeightsVersion = 0, RetainedMass = [.. t.Tokens.Select(_ => 0.7f)] }),
        ];
        using var learner = new PolicyLearner(_policy, _value, options, 1, "unused", _maskModel);
        learner.Update(batch);
        var metrics = learner.Update(batch).Metrics;

        var ratios = new List<double>();
        foreach (var t in batch)
        {
            var distributions = Support.NaiveLogprobs(Support.TinyPolicy(1), t.PromptTokens, t.Tokens);
            for (var i = 0; i < t.Tokens.Length; i++)
            {
                var probabilities = distributions[i].exp().data<float>().ToArray();
                // A forbidden token is pushed nowhere, and counts as if it were allowed.
                var mass = Allowed(distributions[i]).Append(t.Tokens[i]).Distinct().Sum(token => (double)probabilities[token]);
                ratios.Add(probabilities[t.Tokens[i]] / mass / (Math.Exp(t.Logprobs[i]) / 0.7));
            }
        }
        Assert.Equal(ratios.Average(), metrics["rollout_is/mean"], 1e-4 * ratios.Average());
        Assert.Equal(ratios.Max(), metrics["rollout_is/max"], 1e-4 * ratios.Max());
        Assert.Equal(1, metrics["policy/ratio"], 1e-4);
    }

    [Fact]
    public void The_mask_policy_follows_the_learner_every_n_iterations()
    {
        var batch = Support.Trajectories(8, _policy, _reference, 11);
        var initial = Support.Bytes(_policy);
        using var learner = new PolicyLearner(_policy, _value, s_options, 1, "unused", _maskModel);
        Assert.Equal(initial, Support.Bytes(_maskModel));
        learner.Update(batch);
        Assert.Equal(initial, Support.Bytes(_maskModel));
        Assert.NotEqual(initial, Support.Bytes(_policy));
        Assert.Equal(0, learner.MaskIteration);
        learner.Update(batch);
        Assert.Equal(Support.Bytes(_policy), Support.Bytes(_maskModel));
        Assert.Equal(2, learner.MaskIteration);
    }

    [Fact]
    public void With_rl4lms_defects_the_update_is_ppos_and_the_mask_is_the_initial_policys_for_ever()
    {
        byte[] Trained(LearnerOptions options)
        {
            var (policy, value) = (Support.TinyPolicy(1), Support.TinyValue());
            using var learner = new PolicyLearner(policy, value, options, 1, "unused");
            for (var i = 0; i < 3; i++)
                learner.Update(Support.Trajectories(8, policy, _reference, (ulong)(20 + i)));
            return Support.Bytes(policy);
        }
        var compat = s_options with { Nlpo = new NlpoOptions { Rl4lmsCompat = true } };
        Assert.Equal(Trained(s_options with { Objective = ObjectiveKind.Ppo }), Trained(compat));
        Assert.Equal(new MaskPolicyTraits(0.9, 100, RefreshEvery: 0, HeldByLearner: false), ObjectiveRegistry.Traits(compat).MaskPolicy);
    }

    /// <summary>The allowed tokens by definition.</summary>
    private int[] Allowed(Tensor logprobs)
    {
        var probabilities = logprobs.exp().data<float>().Select(p => (double)p).ToArray();
        var ranked = Enumerable.Range(0, probabilities.Length).OrderByDescending(token => probabilities[token]).ToArray();
        var mass = 0.0;
        return
        [
            .. ranked
                .Where(
                    (token, rank) =>
                    {
                        var keep = mass < 0.8 || rank < 4;
                        mass += probabilities[token];
                        return keep;
                    }
                )
                .Append(_policy.Config.EosTokenId ?? ranked[0])
                .Where(token => token < Support.Vocabulary)
                .Distinct(),
        ];
    }
}
