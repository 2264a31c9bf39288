using DfPO.Learner.Objectives;
using DfPO.Learner.Passes;
using DfPO.Models;
using DfPO.Models.Policies;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Tests;

/// <summary>The properties that the specification of DfPO asks to be tested, on softmax policies small enough to enumerate.</summary>
public sealed class DfpoObjectiveTests
{
    private const double ClipRange = 0.2;

    /// <summary>Those that bound each token.</summary>
    private static readonly DfpoMaskRule[] s_tokenRules = [DfpoMaskRule.Sign, DfpoMaskRule.KlCentred];

    public static TheoryData<DfpoBehaviour, DfpoMaskAt, DfpoMaskRule> Switches
    {
        get
        {
            var data = new TheoryData<DfpoBehaviour, DfpoMaskAt, DfpoMaskRule>();
            foreach (var behaviour in Enum.GetValues<DfpoBehaviour>())
                foreach (var maskAt in Enum.GetValues<DfpoMaskAt>())
                    foreach (var rule in s_tokenRules)
                        data.Add(behaviour, maskAt, rule);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Switches))]
    public void At_the_reference_no_mask_is_shut_even_without_tolerance(DfpoBehaviour behaviour, DfpoMaskAt maskAt, DfpoMaskRule rule)
    {
        // Float32, as the learner computes them.
        double[] policy = [.. Draw(1, 12).LogSoftmax().Floats().Select(l => (double)l)];
        foreach (var sign in new[] { 1f, -1f })
        {
            var statistics = new Statistics();
            var batch = Enumerated(policy, policy, [.. policy.Select(_ => sign)], behaviour);
            Objective(behaviour, maskAt, rule, tolerance: 0).Weights(policy, batch, statistics);
            Assert.Equal(1, statistics.Means()[sign > 0 ? "dfpo/mask_positive" : "dfpo/mask_negative"]);
            Assert.Equal(sign > 0 ? 1 : 0, statistics.Means()["dfpo/advantage_positive"]);
        }
    }

    [Fact]
    public void At_the_reference_the_icml_form_is_the_plain_policy_gradient()
    {
        var logits = Draw(2, 12);
        var policy = logits.LogSoftmax();
        var advantages = Draw(3, 12).Floats();
        var gradient = Gradient(
            logits,
            Enumerated(policy, policy, advantages, DfpoBehaviour.Policy),
            Objective(DfpoBehaviour.Policy, DfpoMaskAt.Update, DfpoMaskRule.Sign, 1e-6f)
        );
        // d/dz_b of -mean_a A_a log pi(a) = -mean_a A_a (1[a = b] - pi(b)).
        var expected = logits
            .Select((_, b) => -advantages.Select((a, i) => a * ((i == b ? 1 : 0) - Math.Exp(policy[b]))).Average())
            .ToArray();
        Support.Close(expected, gradient, 1e-6);
    }

    [Fact]
    public void A_natural_gradient_step_changes_the_kl_as_derived_and_never_raises_it_where_the_masks_promise_so()
    {
        var (raisedBySign, compared) = (0, 0);
        foreach (var rule in s_tokenRules)
            foreach (var sign in new[] { 1, -1 })
                for (ulong seed = 0; seed < 50; seed++)
                {
                    var (logits, reference) = (Draw(2 * seed + 100, 10), Draw(2 * seed + 101, 10).LogSoftmax());
                    var policy = logits.LogSoftmax();
                    // Truncated advantages of one sign, as one half of the loss pushes with.
                    var advantages = Draw(seed + 500, 10).Select(a => (float)(sign * Math.Abs(a))).ToArray();
                    var weights = Objective(DfpoBehaviour.Policy, DfpoMaskAt.Rollout, rule, 0)
                        .Weights(policy, Enumerated(policy, reference, advantages, DfpoBehaviour.Policy), new Statistics());
                    var kl = Kl(policy, reference);
                    var derived = policy.Select((p, a) => Math.Exp(p) * weights[a] * (p - reference[a] - kl)).Sum();
                    double After(double eta) => Kl(logits.Zip(weights, (z, w) => z + eta * w).ToArray().LogSoftmax(), reference);
                    Assert.Equal(derived, (After(1e-5) - After(-1e-5)) / 2e-5, 1e-6);
                    if (rule == DfpoMaskRule.KlCentred || sign > 0)
                        Assert.InRange(derived, double.NegativeInfinity, 1e-9);
                    else if (derived > 1e-9)
                        raisedBySign++;
                    compared++;
                }
        Assert.Equal(200, compared);
        // The exception that the specification names: tokens lowered while 0 <= l < KL(s).
        Assert.InRange(raisedBySign, 1, 50);
    }

    [Fact]
    public void With_live_masks_a_raised_token_gets_no_further_push_beyond_the_tolerance()
    {
        const float Tolerance = 0.1f;
        var (start, end, last) = Raise(DfpoMaskAt.Update, Tolerance);
        Assert.InRange(end - start, Tolerance, Tolerance + last);
    }

    [Fact]
    public void With_frozen_masks_a_raised_token_overshoots_by_log_one_plus_epsilon_an_iteration_at_most()
    {
        var (start, end, last) = Raise(DfpoMaskAt.Rollout, tolerance: 0);
        Assert.InRange(end - start, Math.Log(1 + ClipRange), Math.Log(1 + ClipRange) + last);
    }

    [Theory]
    [InlineData(DecodingPolicy.Positive)]
    [InlineData(DecodingPolicy.Negative)]
    public void The_masked_expectation_under_the_policy_is_the_retained_mass_times_the_expectation_under_the_masked_policy(
        DecodingPolicy half
    )
    {
        for (ulong seed = 0; seed < 20; seed++)
        {
            var (policy, reference) = (Draw(seed + 700, 9).LogSoftmax(), Draw(seed + 800, 9).LogSoftmax());
            var positive = half == DecodingPolicy.Positive;
            var f = Draw(seed + 900, 9).Select(x => (float)(positive ? Math.Abs(x) : -Math.Abs(x))).ToArray();
            // The ICML form weighs samples of the policy by 1[M] f; the ICLR form weighs samples of the masked policy by f.
            var masked = Objective(DfpoBehaviour.Policy, DfpoMaskAt.Rollout, DfpoMaskRule.Sign, 0.05f)
                .Weights(policy, Enumerated(policy, reference, f, DfpoBehaviour.Policy), new Statistics());
            var inside = policy.Select((p, a) => positive ? p - reference[a] <= 0.05 : p - reference[a] >= -0.05).ToArray();
            var kept = Enumerated(policy, reference, f, DfpoBehaviour.Masked) with { Behaviour = [.. f.Select(_ => half)] };
            var plain = Objective(DfpoBehaviour.Masked, DfpoMaskAt.Rollout, DfpoMaskRule.Sign, 0.05f)
                .Weights(policy, kept, new Statistics());
            var mass = policy.Where((_, a) => inside[a]).Sum(Math.Exp);
            var under = policy.Select((p, a) => inside[a] ? Math.Exp(p) / mass * plain[a] : 0).Sum();
            Assert.Equal(policy.Select((p, a) => Math.Exp(p) * masked[a]).Sum(), mass * under, 1e-6);
        }
    }

    [Theory]
    [MemberData(nameof(Switches))]
    public void Finite_differences_agree_with_the_gradient_on_five_tokens(DfpoBehaviour behaviour, DfpoMaskAt maskAt, DfpoMaskRule rule)
    {
        const int Vocabulary = 5,
            States = 24;
        var logits = Draw(20, States * Vocabulary).Select(z => z * 0.6).ToArray();
        var actions = Enumerable.Range(0, States).Select(s => (long)(CounterRandom.UInt64(21, (ulong)s) % Vocabulary)).ToArray();
        var current = LogprobsOf(logits, actions);
        var batch = Support.Tokens(
            // Old log-probabilities and references near the current ones: some ratios clip, some masks are shut.
            current.Zip(Draw(22, States), (l, n) => l + 0.2 * n).Floats(),
            current.Zip(Draw(23, States), (l, n) => l + 0.2 * n).Floats(),
            Draw(24, States).Floats(),
            [.. Draw(25, States).Select(x => (float)(0.1 * Math.Abs(x)))],
            Behaviours(behaviour, States)
        );
        var objective = Objective(behaviour, maskAt, rule, 0.03f);
        double Loss(double[] z)
        {
            using var scope = NewDisposeScope();
            return objective.Loss(tensor(LogprobsOf(z, actions)), batch, new Statistics()).ToNumber();
        }
        var gradient = Gradient(logits, batch, objective, actions);
        var shut = objective.Weights(current, batch, new Statistics()).Count(w => w == 0);
        Assert.True(maskAt == DfpoMaskAt.Rollout && behaviour == DfpoBehaviour.Masked || shut > 0);
        for (var i = 0; i < logits.Length; i++)
        {
            const double H = 1e-6;
            var (up, down) = ((double[])logits.Clone(), (double[])logits.Clone());
            (up[i], down[i]) = (up[i] + H, down[i] - H);
            Assert.Equal((Loss(up) - Loss(down)) / (2 * H), gradient[i], 1e-6);
        }
        Assert.Contains(gradient, g => Math.Abs(g) > 1e-3);
    }

    [Fact]
    public void Advantages_keep_their_sign_under_scaling_and_are_never_centred()
    {
        float[] advantages = [3, 1, 2, 4];
        var zeros = new double[4];
        var batch = Enumerated(zeros, zeros, advantages, DfpoBehaviour.Policy);
        var scaled = new DfpoObjective(new DfpoOptions { ScaleAdvantages = true }, ClipRange).Weights(zeros, batch, new Statistics());
        Assert.Equal(advantages.Select(a => a / Math.Sqrt(7.5)), scaled, (x, y) => Math.Abs(x - y) < 1e-6);
        Assert.Equal(advantages.Doubles(), new DfpoObjective(new DfpoOptions(), ClipRange).Weights(zeros, batch, new Statistics()));
    }

    [Fact]
    public void The_iclr_form_averages_each_kind_of_sample_by_itself_and_truncates()
    {
        var behaviour = new[] { DecodingPolicy.Positive, DecodingPolicy.Positive, DecodingPolicy.Positive, DecodingPolicy.Negative };
        var batch = Support.Tokens(new float[4], new float[4], [2, -1, 1, -3], behaviour: behaviour);
        var statistics = new Statistics();
        using var scope = NewDisposeScope();
        // -( (2 + 0 + 1) / 3 ) - ( -3 / 1 )
        Assert.Equal(
            2,
            Objective(DfpoBehaviour.Masked, DfpoMaskAt.Rollout, DfpoMaskRule.Sign, 0).Loss(zeros(4), batch, statistics).ToNumber(),
            1e-6
        );
    }

    [Fact]
    public void Tokens_that_were_drawn_without_the_mask_are_counted_and_not_pushed()
    {
        var behaviour = new[] { DecodingPolicy.Positive, DecodingPolicy.Positive, DecodingPolicy.Negative, DecodingPolicy.Negative };
        var batch = Support.Tokens(new float[4], new float[4], [2, 1, -1, -3], behaviour: behaviour) with
        {
            MaskSkipped = [true, false, false, true],
        };
        var statistics = new Statistics();
        Assert.Equal(
            [0, 2, -2, 0],
            Objective(DfpoBehaviour.Masked, DfpoMaskAt.Rollout, DfpoMaskRule.Sign, 0).Weights(new double[4], batch, statistics)
        );
        Assert.Equal(0.5, statistics.Means()["dfpo/mask_skipped"]);
        // Samples of the policy have no mask that could be skipped.
        var plain = new Statistics();
        Assert.DoesNotContain(
            0,
            Objective(DfpoBehaviour.Policy, DfpoMaskAt.Update, DfpoMaskRule.Sign, 0)
                .Weights(new double[4], batch with { Behaviour = new DecodingPolicy[4] }, plain)
        );
        Assert.DoesNotContain("dfpo/mask_skipped", plain.Means().Keys);
    }

    [Fact]
    public void The_reward_is_the_tasks_at_the_last_token_and_nothing_else()
    {
        var trajectory = new Trajectory
        {
            PromptTokens = [1],
            Tokens = [2, 3, 4],
            Logprobs = [-1, -2, -3],
            ReferenceLogprobs = [-2, -2, -2],
            StateKl = [1, 1, 1],
            Reward = 0.7f,
            Behaviour = DecodingPolicy.Policy,
        };
        Assert.Equal([0, 0, 0.7f], new DfpoObjective(new DfpoOptions(), ClipRange).TokenRewards(trajectory));
    }

    private static DfpoObjective Objective(DfpoBehaviour behaviour, DfpoMaskAt maskAt, DfpoMaskRule rule, float tolerance) =>
        new(
            new DfpoOptions
            {
                Behaviour = behaviour,
                MaskAt = maskAt,
                MaskRule = rule,
                Tolerance = tolerance,
            },
            ClipRange
        );

    /// <summary>Numbers of about unit size, from a seed.</summary>
    private static double[] Draw(ulong seed, int count) =>
        [
            .. Enumerable
                .Range(0, count)
                .Select(i => Enumerable.Range(0, 4).Sum(k => CounterRandom.Uniform(seed, (ulong)(4 * i + k)) - 0.5) * 1.7),
        ];

    private static DecodingPolicy[] Behaviours(DfpoBehaviour behaviour, int count) =>
        [
            .. Enumerable
                .Range(0, count)
                .Select(i =>
                    behaviour == DfpoBehaviour.Policy ? DecodingPolicy.Policy
                    : i % 3 == 0 ? DecodingPolicy.Negative
                    : DecodingPolicy.Positive
                ),
        ];

    /// <summary>Every token of the vocabulary of one state, as a batch.</summary>
    private static TokenBatch Enumerated(double[] policy, double[] reference, float[] advantages, DfpoBehaviour behaviour) =>
        Support.Tokens(
            policy.Floats(),
            reference.Floats(),
            advantages,
            [.. policy.Select(_ => (float)Kl(policy, reference))],
            [
                .. advantages.Select(a =>
                    behaviour == DfpoBehaviour.Policy ? DecodingPolicy.Policy
                    : a > 0 ? DecodingPolicy.Positive
                    : DecodingPolicy.Negative
                ),
            ]
        );

    private static double Kl(double[] policy, double[] reference) => policy.Zip(reference, (p, q) => Math.Exp(p) * (p - q)).Sum();

    private static double[] LogprobsOf(double[] logits, long[] actions) =>
        [.. logits.Chunk(logits.Length / actions.Length).Select((row, s) => row.LogSoftmax()[actions[s]])];

    /// <summary>
    /// Gradient with respect to logits, through the learner's own log-softmax; every row's action, or row 0's every token.
    /// </summary>
    private static double[] Gradient(double[] logits, TokenBatch batch, DfpoObjective objective, long[]? actions = null)
    {
        using var scope = NewDisposeScope();
        var leaf = tensor(logits, requires_grad: true);
        var rows = actions is null ? leaf.expand(batch.Count, logits.Length).Times(1) : leaf.view(batch.Count, -1).Times(1);
        var logprobs = TokenLogprobs.FromLogits(
            rows,
            actions is null ? Arithmetic.Range(batch.Count) : tensor(actions),
            withEntropy: false
        );
        objective.Loss(logprobs.Values, batch, new Statistics()).backward();
        logprobs.Backward();
        return leaf.grad!.data<double>().ToArray();
    }

    /// <summary>
    /// Raises one token, which starts at <c>l = 0</c>, by small steps until nothing pushes any more: first and last log-probability, and
    /// the largest step.
    /// </summary>
    private static (double Start, double End, double LargestStep) Raise(DfpoMaskAt maskAt, float tolerance)
    {
        var logits = new double[5];
        var start = logits.LogSoftmax()[2];
        var batch = Support.Tokens([(float)start], [(float)start], [1]);
        var objective = Objective(DfpoBehaviour.Policy, maskAt, DfpoMaskRule.Sign, tolerance);
        var (now, largest) = (start, 0.0);
        for (var step = 0; step < 500; step++)
        {
            logits = [.. logits.Zip(Gradient(logits, batch, objective, [2]), (z, g) => z - 0.005 * g)];
            var next = logits.LogSoftmax()[2];
            (now, largest) = (next, Math.Max(largest, next - now));
        }
        Assert.All(Gradient(logits, batch, objective, [2]), g => Assert.Equal(0, g));
        return (start, now, largest + 1e-7);
    }
}

internal static class SoftmaxExtensions
{
    public static double[] LogSoftmax(this double[] logits)
    {
        var normalizer = Math.Log(logits.Sum(Math.Exp));
        return [.. logits.Select(z => z - normalizer)];
    }
}
