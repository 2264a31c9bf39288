using System.Text.Json;
using DfPO.Learner.Advantages;
using DfPO.Learner.Objectives;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Tests.Trl;

/// <summary>ppo.json through <see cref="PpoObjective"/>, the advantage estimate and the value loss.</summary>
/// <remarks>
/// The two releases differ in where the score lands. TRL 0.11.4 puts it at the last token, as the learner does. TRL 1.0.0 puts it at the
/// position after the last token where there is one, whose state is valued too; nothing is drawn there, so the policy's loss does not see
/// it. The learner does not estimate that state: its test gives the functions one more state than tokens.
/// </remarks>
[Trait("Category", "Fixtures")]
public sealed class PpoFixtureTests
{
    private const string File = "ppo.json";

    public static TheoryData<string> ScoreAfterTheLastToken => TrlFixtures.Cases(File, "trl_1_0_0", "cases");

    public static TheoryData<string> ScoreAtTheLastToken => TrlFixtures.Cases(File, "trl_0_11_4", "cases");

    [Theory]
    [MemberData(nameof(ScoreAfterTheLastToken))]
    public void Trl_1_0_0(string name)
    {
        var c = TrlFixtures.Case(name, File, "trl_1_0_0", "cases");
        int[] states = [.. c.GetProperty("score_position").Doubles().Select(p => (int)p + 1)];
        var run = new Run(c, c.Word("kl_estimator"), states);
        run.Check(c.GetProperty("rewards"), whitenedRewards: true);
        TrlFixtures.Close("vf_loss", c.Number("vf_loss"), run.HalfValueLoss, TrlFixtures.Normalised);
        TrlFixtures.Close("loss", c.Number("loss"), run.PolicyLoss + c.Number("vf_coef") * run.HalfValueLoss, TrlFixtures.Normalised);
        TrlFixtures.Close("pg_clipfrac", c.Number("pg_clipfrac"), run.Means["policy/clip_region"], TrlFixtures.Single);
        // TRL 1.0.0 averages these two over padding, where the log-ratio is 0. Its approximate KL is k2, ours k3.
        var padded = c.GetProperty("padding_mask").Matrix().Sum(row => row.Length) / (double)run.LogRatios.Length;
        TrlFixtures.Close("approxkl", c.Number("approxkl"), KlEstimators.K2(run.LogRatios) / padded, TrlFixtures.Single);
        TrlFixtures.Close("ratio_mean", c.Number("ratio_mean"), 1 + (run.Means["policy/ratio"] - 1) / padded, TrlFixtures.Single);
    }

    [Theory]
    [MemberData(nameof(ScoreAtTheLastToken))]
    public void Trl_0_11_4(string name)
    {
        var c = TrlFixtures.Case(name, File, "trl_0_11_4", "cases");
        var file = TrlFixtures.File(File);
        var run = new Run(
            c,
            c.Word("kl_penalty"),
            [.. file.GetProperty("lengths").Doubles().Select(n => (int)n)],
            whitenedWidth: file.GetProperty("values")[0].GetArrayLength()
        );
        run.Check(c.GetProperty("rewards"), whitenedRewards: false);
        TrlFixtures.Close(
            "vf_loss_times_coef",
            c.Number("vf_loss_times_coef"),
            c.Number("vf_coef") * run.HalfValueLoss,
            TrlFixtures.Normalised
        );
        var stats = c.GetProperty("stats");
        TrlFixtures.Close("policy/approxkl", stats.Number("policy/approxkl"), KlEstimators.K2(run.LogRatios), TrlFixtures.Single);
        TrlFixtures.Close(
            "policy/policykl",
            stats.Number("policy/policykl"),
            KlEstimators.K1(run.LogRatios.Select(d => -d)),
            TrlFixtures.Single
        );
        TrlFixtures.Close("policy/clipfrac", stats.Number("policy/clipfrac"), run.Means["policy/clip_region"], TrlFixtures.Single);
    }

    [Fact]
    public void Whitening_is_the_fixtures()
    {
        var c = TrlFixtures.File(File).GetProperty("whitening");
        var (x, mask) = (c.GetProperty("x"), c.GetProperty("mask"));
        double[] whole = [.. x.Matrix().SelectMany(row => row)];
        TrlFixtures.Close(
            "whiten",
            [.. c.GetProperty("whiten").Matrix().SelectMany(row => row)],
            Whitening.Apply(whole),
            TrlFixtures.Exact
        );
        TrlFixtures.Close(
            "whiten, mean kept",
            [.. c.GetProperty("whiten_keep_mean").Matrix().SelectMany(row => row)],
            Whitening.Apply(whole, keepMean: true),
            TrlFixtures.Exact
        );
        TrlFixtures.Close("masked", c.GetProperty("masked_whiten").Masked(mask), Whitening.Apply(x.Masked(mask)), TrlFixtures.Normalised);
        TrlFixtures.Close(
            "masked, mean kept",
            c.GetProperty("masked_whiten_keep_mean").Masked(mask),
            Whitening.Apply(x.Masked(mask), keepMean: true),
            TrlFixtures.Normalised
        );
    }

    /// <summary>A batch from rewards to gradients.</summary>
    private sealed class Run
    {
        private readonly JsonElement _case;
        private readonly int[] _tokens;
        private readonly int[] _states;
        private readonly double[][] _rewards;
        private readonly double[][] _finished;
        private readonly AdvantageEstimate[] _estimates;
        private readonly double[] _advantages;
        private readonly double[] _policyGradient;
        private readonly double[] _valueGradient;

        public Run(JsonElement c, string kl, int[] states, int whitenedWidth = 0)
        {
            var file = TrlFixtures.File(File);
            double[][] Rows(string key, int[] lengths) => [.. file.GetProperty(key).Matrix().Zip(lengths, (row, n) => row[..n])];
            double[] Flat(string key, int[] lengths) => [.. Rows(key, lengths).SelectMany(row => row)];
            (_case, _states, _tokens) = (c, states, [.. file.GetProperty("lengths").Doubles().Select(n => (int)n)]);
            var options = new PpoOptions
            {
                KlCoefficient = c.Number("kl_coef"),
                KlPenalty = kl switch
                {
                    "kl" => KlPenaltyForm.K1,
                    "mse" => KlPenaltyForm.K2,
                    _ => TrlFixtures.Member<KlPenaltyForm>(kl),
                },
                WhitenRewards = c.Flag("whiten_rewards"),
            };
            var objective = new PpoObjective(options, c.Number("cliprange"));
            var (logprobs, reference, scores) = (
                Rows("logprobs", _tokens),
                Rows("ref_logprobs", _tokens),
                file.GetProperty("scores").Doubles()
            );
            // A state after the last token has no log-ratio.
            _rewards =
            [
                .. logprobs.Select(
                    (row, i) =>
                        objective.TokenRewards(
                            [.. row.Zip(reference[i], (p, q) => p - q), .. new double[states[i] - row.Length]],
                            scores[i]
                        )
                ),
            ];
            _finished = objective.FinishRewards(_rewards);
            var values = Rows("values", states);
            // TRL 0.11.4 whitens padding as well: its zeros become rewards of states without a value, which reach back into the shorter
            // rows. Here nothing comes after a text's end.
            var (after, width) = c.Flag("whiten_rewards") && whitenedWidth > 0 ? (WhitenedZero(), whitenedWidth) : (0, 0);
            double[] Padded(double[] row, double with) => [.. row, .. Enumerable.Repeat(with, Math.Max(0, width - row.Length))];
            _estimates =
            [
                .. _finished
                    .Zip(values, (r, v) =>
                        GeneralizedAdvantageEstimation.Episode(Padded(r, after), Padded(v, 0), c.Number("gamma"), c.Number("lam"))
                    )
                    .Zip(states, (e, n) => new AdvantageEstimate(e.Advantages[..n], e.Returns[..n])),
            ];
            _advantages = [.. _estimates.SelectMany((e, i) => e.Advantages[.._tokens[i]])];

            var (fresh, old) = (Flat("new_logprobs", _tokens), logprobs.SelectMany(row => row).ToArray());
            LogRatios = [.. fresh.Zip(old, (now, before) => now - before)];
            var batch = TrlFixtures.Batch(_tokens, old, Flat("ref_logprobs", _tokens), new double[_tokens.Length]) with
            {
                Advantages = _advantages,
            };
            var statistics = new Statistics();
            (PolicyLoss, _policyGradient) = TrlFixtures.LossOf(objective, fresh, batch, statistics);
            Means = statistics.Means();

            using var scope = NewDisposeScope();
            var leaf = tensor(Flat("new_values", states), requires_grad: true);
            // TRL halves the value loss.
            var loss = ValueLoss.Clipped(
                leaf,
                [.. values.SelectMany(v => v)],
                [.. _estimates.SelectMany(e => e.Returns)],
                c.Number("cliprange_value")
            );
            loss.backward();
            (HalfValueLoss, _valueGradient) = (
                loss.ToNumber() / 2,
                [.. leaf.grad!.data<double>().Select(g => g / 2 * c.Number("vf_coef"))]
            );
        }

        /// <summary>What whitening, which is a line, makes of 0.</summary>
        private double WhitenedZero()
        {
            double[] from = [.. _rewards.SelectMany(r => r)],
                to = [.. _finished.SelectMany(r => r)];
            var slope = (to.Max() - to.Min()) / (from.Max() - from.Min());
            return to.Max() - slope * from.Max();
        }

        public double[] LogRatios { get; }

        public double PolicyLoss { get; }

        public double HalfValueLoss { get; }

        public IReadOnlyDictionary<string, double> Means { get; }

        public void Check(JsonElement rewards, bool whitenedRewards)
        {
            double[] Real(JsonElement rows, int[] lengths) => [.. rows.Matrix().Zip(lengths, (row, n) => row[..n]).SelectMany(row => row)];
            var whitened = _case.Flag("whiten_rewards") && whitenedRewards;
            TrlFixtures.Close(
                "rewards",
                Real(rewards, _states),
                [.. (whitened ? _finished : _rewards).SelectMany(r => r)],
                whitened ? TrlFixtures.Normalised : TrlFixtures.Exact
            );
            TrlFixtures.Close(
                "returns",
                Real(_case.GetProperty("returns"), _states),
                [.. _estimates.SelectMany(e => e.Returns)],
                _case.Flag("whiten_rewards") ? TrlFixtures.Normalised : TrlFixtures.Exact
            );
            TrlFixtures.Close(
                "advantages",
                Real(_case.GetProperty("advantages_whitened"), _tokens),
                PpoObjective.Normalized(_advantages),
                TrlFixtures.Normalised
            );
            TrlFixtures.Close("pg_loss", _case.Number("pg_loss"), PolicyLoss, TrlFixtures.Normalised);
            TrlFixtures.Close(
                "gradient of log-probabilities",
                Real(_case.GetProperty("grad_new_logprobs"), _tokens),
                _policyGradient,
                TrlFixtures.Normalised
            );
            TrlFixtures.Close(
                "gradient of values",
                Real(_case.GetProperty("grad_new_values"), _states),
                _valueGradient,
                TrlFixtures.Normalised
            );
        }
    }
}
