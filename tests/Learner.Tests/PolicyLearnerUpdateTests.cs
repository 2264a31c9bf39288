using DfPO.Learner.Advantages;
using DfPO.Learner.Configuration;
using DfPO.Learner.Objectives;
using DfPO.Learner.Updates;
using DfPO.Models;
using DfPO.Models.Policies;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Tests;

/// <summary>
/// One update against a calculation that shares no code with it: a sequence at a time, the formulas written out, AdamW's too.
/// </summary>
public sealed class PolicyLearnerUpdateTests
{
    private static readonly LearnerOptions s_options = new()
    {
        LearningRate = 1e-3,
        ValueLearningRate = 3e-3,
        WeightDecay = 0.1,
        // In the second pass ratios have left 1, and live masks differ from frozen ones.
        Epochs = 2,
        MinibatchSize = 8,
        MaxGradNorm = 0.05,
        ValueCoefficient = 0.7,
        MaxKl = 100,
    };

    public static TheoryData<ObjectiveKind, DfpoBehaviour, DfpoMaskAt, DfpoMaskRule, DfpoValue> Cases =>
        new()
        {
            { ObjectiveKind.Dfpo, DfpoBehaviour.Policy, DfpoMaskAt.Update, DfpoMaskRule.Sign, DfpoValue.Single },
            { ObjectiveKind.Dfpo, DfpoBehaviour.Policy, DfpoMaskAt.Rollout, DfpoMaskRule.KlCentred, DfpoValue.Single },
            { ObjectiveKind.Dfpo, DfpoBehaviour.Masked, DfpoMaskAt.Rollout, DfpoMaskRule.Sign, DfpoValue.Single },
            { ObjectiveKind.Dfpo, DfpoBehaviour.Masked, DfpoMaskAt.Update, DfpoMaskRule.Sign, DfpoValue.TwoHeaded },
            { ObjectiveKind.Ppo, DfpoBehaviour.Policy, DfpoMaskAt.Update, DfpoMaskRule.Sign, DfpoValue.Single },
        };

    [Theory]
    [MemberData(nameof(Cases))]
    public void An_update_equals_the_formulas_written_out(
        ObjectiveKind kind,
        DfpoBehaviour behaviour,
        DfpoMaskAt maskAt,
        DfpoMaskRule rule,
        DfpoValue heads
    )
    {
        var options = s_options with
        {
            Objective = kind,
            Dfpo = new DfpoOptions
            {
                Behaviour = behaviour,
                MaskAt = maskAt,
                MaskRule = rule,
                Tolerance = 0.05f,
                Value = heads,
            },
        };
        using var scope = NewDisposeScope();
        var headCount = heads == DfpoValue.TwoHeaded ? 2 : 1;
        // The rollout's weights differ from those updated, so that its tokens are weighed.
        var batch = Support.Trajectories(8, Support.TinyPolicy(1), Support.TinyPolicy(3), 5, i =>
            behaviour == DfpoBehaviour.Masked ? (i % 2 == 0 ? DecodingPolicy.Positive : DecodingPolicy.Negative) : DecodingPolicy.Policy
        );
        CausalLM Policy()
        {
            var policy = Support.TinyPolicy(1);
            using var _ = no_grad();
            using var generator = new Generator(9);
            foreach (var parameter in policy.parameters())
                parameter.Increase(randn(parameter.shape, generator: generator).Times(0.02));
            return policy;
        }

        var (policy, value) = (Policy(), Support.TinyValue(2, headCount));
        using var learner = new PolicyLearner(policy, value, options, 1, "unused");
        var report = learner.Update(batch);

        var (naivePolicy, naiveValue) = (Policy(), Support.TinyValue(2, headCount));
        var naive = Naive(naivePolicy, naiveValue, batch, options);
        Assert.Equal(naive.PolicyLoss, report.Metrics["policy/loss"], 1e-5);
        Assert.Equal(naive.ValueLoss, report.Metrics["value/loss"], 1e-5);
        Assert.Equal(naive.Norm, report.Metrics["grad/norm"], 1e-4 * naive.Norm);
        RequireSameWeights(naivePolicy, policy, naive.Trustworthy);
        RequireSameWeights(naiveValue, value, naive.Trustworthy);
        Assert.Equal(1, learner.Iteration);
    }

    private sealed record NaiveUpdate(
        double PolicyLoss,
        double ValueLoss,
        double Norm,
        Dictionary<nn.Module, Dictionary<string, Tensor>> Trustworthy
    );

    private sealed record Terms(Trajectory T, Tensor Old, float[] Reference, double[] Importance, double[] A, double[] Returns);

    private static NaiveUpdate Naive(CausalLM policy, ValueModel value, Trajectory[] batch, LearnerOptions options)
    {
        Tensor Log(Trajectory t) =>
            Support
                .NaiveLogprobs(policy, t.PromptTokens, t.Tokens)
                .gather(1, tensor(t.Tokens.Select(x => (long)x).ToArray()).unsqueeze(1))
                .squeeze(1);
        Tensor Values(Trajectory t)
        {
            long[] ids = [.. t.PromptTokens.Concat(t.Tokens).Select(x => (long)x)];
            long head = options.Dfpo.Value == DfpoValue.TwoHeaded && t.Behaviour == DecodingPolicy.Negative ? 1 : 0;
            return value.Values(tensor(ids).unsqueeze(0), tensor(new[] { head }))[0].narrow(0, t.PromptTokens.Length - 1, t.Tokens.Length);
        }
        var terms = batch
            .Select(t =>
            {
                var own = Log(t).detach();
                float[] before = [.. own.data<float>()];
                var v = Values(t).detach().data<float>().Select(x => (double)x).ToArray();
                // GAE as a sum over the future, not as a recursion.
                var n = t.Tokens.Length;
                var rewards = Enumerable
                    .Range(0, n)
                    .Select(i =>
                        (i == n - 1 ? t.Reward : 0.0)
                        - (
                            options.Objective == ObjectiveKind.Ppo
                                ? options.Ppo.KlCoefficient * (t.Logprobs[i] - t.ReferenceLogprobs[i])
                                : 0
                        )
                    )
                    .ToArray();
                var deltas = Enumerable.Range(0, n).Select(i => rewards[i] + (i + 1 < n ? options.Gamma * v[i + 1] : 0) - v[i]).ToArray();
                var a = Enumerable
                    .Range(0, n)
                    .Select(i => Enumerable.Range(i, n - i).Sum(j => Math.Pow(options.Gamma * options.Lambda, j - i) * deltas[j]))
                    .ToArray();
                return new Terms(
                    t,
                    own,
                    [.. before.Select((p, i) => p - (t.Logprobs[i] - t.ReferenceLogprobs[i]))],
                    [.. before.Select((p, i) => Math.Min(2, Math.Exp(p - t.Logprobs[i])))],
                    a,
                    [.. a.Zip(v, (x, y) => x + y)]
                );
            })
            .ToArray();
        var all = terms.SelectMany(p => p.A).ToArray();
        var mean = all.Average();
        var deviation = Math.Sqrt(all.Sum(x => (x - mean) * (x - mean)) / (all.Length - 1));
        Tensor Surrogate(Terms p)
        {
            var log = Log(p.T);
            var now = log.detach().data<float>().ToArray();
            var w = tensor(
                p.A.Select(
                        (a, i) =>
                        {
                            if (options.Objective == ObjectiveKind.Ppo)
                                return (float)(p.Importance[i] * (a - mean) / deviation);
                            var l =
                                options.Dfpo.MaskAt == DfpoMaskAt.Update
                                    ? now[i] - p.Reference[i]
                                    : p.T.Logprobs[i] - p.T.ReferenceLogprobs[i];
                            var c = options.Dfpo.MaskRule == DfpoMaskRule.KlCentred ? p.T.StateKl[i] : 0;
                            var frozenMasked = options.Dfpo is { Behaviour: DfpoBehaviour.Masked, MaskAt: DfpoMaskAt.Rollout };
                            var raised =
                                p.T.Behaviour != DecodingPolicy.Negative && (frozenMasked || l <= c + options.Dfpo.Tolerance)
                                    ? Math.Max(a, 0)
                                    : 0;
                            var lowered =
                                p.T.Behaviour != DecodingPolicy.Positive && (frozenMasked || l >= c - options.Dfpo.Tolerance)
                                    ? Math.Min(a, 0)
                                    : 0;
                            return (float)(p.Importance[i] * (raised + lowered));
                        }
                    )
                    .ToArray()
            );
            var rho = (log - p.Old).exp();
            return minimum(rho * w, rho.Between(1 - options.ClipRange, 1 + options.ClipRange) * w);
        }
        var moments = policy
            .parameters()
            .Concat(value.parameters())
            .ToDictionary(p => p, p => (First: zeros_like(p), Second: zeros_like(p)));
        var trustworthy = new nn.Module[] { policy, value }.ToDictionary(
            m => m,
            m => m.named_parameters().ToDictionary(p => p.name, p => ones_like(p.parameter, ScalarType.Bool))
        );
        var (policyLosses, valueLosses, norms) = (new List<double>(), new List<double>(), new List<double>());
        for (var epoch = 0; epoch < options.Epochs; epoch++)
        {
            var policyLoss = terms
                .GroupBy(p => p.T.Behaviour)
                .Select(kind => cat(kind.Select(Surrogate).ToList()).mean().neg())
                .Aggregate((x, y) => x.Plus(y));
            var valueLoss = cat(terms.Select(p => (Values(p.T) - tensor(p.Returns).to(ScalarType.Float32)).Squared()).ToList()).mean();
            policyLoss.Plus(valueLoss.Times(options.ValueCoefficient)).backward();
            var squares = 0.0;
            foreach (var module in new nn.Module[] { policy, value })
            {
                // Adam's steps are nearly the gradient's sign: where it is rounding noise, there is nothing to compare.
                foreach (var (name, parameter) in module.named_parameters())
                    trustworthy[module][name].logical_and_((parameter.grad ?? zeros_like(parameter)).abs().Above(1e-5));
                squares += module.parameters().Where(p => p.grad is not null).Sum(p => p.grad!.Squared().sum().ToNumber());
            }
            policyLosses.Add(policyLoss.ToNumber());
            valueLosses.Add(valueLoss.ToNumber());
            norms.Add(Math.Sqrt(squares));
            using var _ = no_grad();
            foreach (
                var (parameter, rate) in policy
                    .parameters()
                    .Select(p => (p, options.LearningRate))
                    .Concat(value.parameters().Select(p => (p, options.ValueLearningRate)))
                    .Where(x => x.p.grad is not null)
            )
            {
                var (gradient, (first, second)) = (parameter.grad!.Times(Math.Min(1, options.MaxGradNorm / norms[^1])), moments[parameter]);
                parameter.Scale(1 - rate * (parameter.dim() > 1 ? options.WeightDecay : 0));
                first.Scale(0.9).Increase(gradient, 0.1);
                second.Scale(0.999).Increase(gradient.Squared(), 0.001);
                parameter.Increase(
                    first.Over(1 - Math.Pow(0.9, epoch + 1)) / second.Over(1 - Math.Pow(0.999, epoch + 1)).sqrt().Plus(1e-8),
                    -rate
                );
                parameter.grad = null;
            }
        }
        return new NaiveUpdate(policyLosses.Average(), valueLosses.Average(), norms.Average(), trustworthy);
    }

    private static void RequireSameWeights(
        nn.Module expected,
        nn.Module actual,
        Dictionary<nn.Module, Dictionary<string, Tensor>> trustworthy
    )
    {
        using var _ = no_grad();
        var compared = 0L;
        foreach (var ((name, theirs), (_, ours)) in expected.named_parameters().Zip(actual.named_parameters()))
        {
            var mask = trustworthy[expected][name];
            compared += mask.sum().ToInteger();
            var worst = ((theirs - ours).abs() * mask).max().ToNumber();
            Assert.True(worst < 2e-5, $"{name}: {worst}");
        }
        Assert.True(compared > 1000);
    }
}
