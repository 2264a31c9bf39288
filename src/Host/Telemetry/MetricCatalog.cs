using System.Text;
using System.Text.RegularExpressions;

namespace DfPO.Host.Telemetry;

/// <summary>A metric's name, unit and meaning.</summary>
/// <param name="Name">As in <c>metrics.jsonl</c>. A part in braces stands for any value.</param>
/// <param name="Unit">In the words of a reader; empty for a number without one.</param>
/// <param name="Meaning">One sentence.</param>
public sealed partial record MetricEntry(string Name, string Unit, string Meaning)
{
    private readonly Regex _pattern = new($"^{Brace().Replace(Name, "[^/]+")}$");

    /// <summary>Whether it is the entry of a recorded name.</summary>
    public bool Matches(string name) => _pattern.IsMatch(name);

    [GeneratedRegex(@"\{[^}]*\}")]
    private static partial Regex Brace();
}

/// <summary>
/// Every metric that a run records: the one source of <c>docs/metrics.md</c>, and of the descriptions that OpenTelemetry is told.
/// </summary>
public static class MetricCatalog
{
    private const string Share = "share, 0 to 1",
        Nats = "nats a token",
        Seconds = "s",
        Continuations = "continuations";

    /// <summary>Sections with their metrics, in the order of the page.</summary>
    public static IReadOnlyList<(string Title, string About, IReadOnlyList<MetricEntry> Metrics)> Sections { get; } =
    [
        (
            "Rollouts",
            "Figures of the continuations that an iteration learns from. They are absent where nothing is drawn.",
            [
                .. Figures("rollout/"),
                new(
                    "rollout/reward_{policy}",
                    "",
                    "Mean reward of the continuations of one behaviour, positive or negative, where both are drawn."
                ),
                new("objective/rewards", "", "Mean reward that the learner was given."),
                new("objective/kl", Nats, "Mean log pi_theta - log pi_0 of the drawn tokens: a noisy estimate of the KL, maybe below 0."),
                new("objective/kl_full", Nats, "Mean of KL(pi_theta || pi_0) over the vocabulary, at the states that were visited."),
                new("objective/entropy", Nats, "Mean entropy of the policy at the drawn tokens, in the first pass of the update."),
                new("objective/advantages_positive", Share, "Tokens with a positive advantage, of those whose advantage is not 0."),
                new(
                    "tokens_per_second",
                    "tokens/s",
                    "Tokens of the iteration over the time of its rollouts, or of the whole iteration in asynchronous runs."
                ),
            ]
        ),
        (
            "Update",
            "Means over the minibatches of an iteration, weighted by tokens or sequences where the meaning says so.",
            [
                new("policy/loss", "", "Loss of the policy."),
                new("policy/ratio", "", "Mean ratio of the policy to itself before the update."),
                new("policy/approx_kl", "nats", "Estimate (k3) of the KL of the policy before the update to the policy now."),
                new("policy/clip_fraction", Share, "Ratios outside the clip range."),
                new("policy/clip_low", Share, "Ratios whose gradient the lower clip takes away."),
                new("policy/clip_high", Share, "Ratios whose gradient the upper clip takes away."),
                new("policy/clip_region", Share, "Sum of the two."),
                new("policy/clip_low_min", Share, "Least policy/clip_low of a sequence."),
                new("policy/clip_high_max", Share, "Greatest policy/clip_high of a sequence."),
                new("value/loss", "", "Loss of the value model."),
                new(
                    "value/explained_variance",
                    "at most 1",
                    "How well values predict returns, before the update: 1 is perfect, 0 no better than a constant."
                ),
                new("grad/norm", "", "Norm of the gradient before clipping."),
                new("learner/lr", "", "Learning rate of the policy's last step."),
                new("guards/warnings", "warnings", "Warnings of the guards in this iteration."),
            ]
        ),
        (
            "Engine and learner",
            "The ratio of the learner's probability to the engine's for each drawn token, before the update.",
            [
                new("rollout_is/mean", "", "Mean ratio before truncation; 1 where engine and learner agree."),
                new("rollout_is/std", "", "Standard deviation of the ratio."),
                new("rollout_is/max", "", "Greatest ratio."),
                new("rollout_is/truncated_fraction", Share, "Ratios above learner.importance-truncation."),
            ]
        ),
        (
            "Time and work",
            "",
            [
                new("time/rollout", Seconds, "Waiting for rollouts and rewards, in synchronous runs."),
                new("time/wait_rollout", Seconds, "Waiting for rollouts and rewards although they run ahead, in asynchronous runs."),
                new("time/learn", Seconds, "The learner's update."),
                new("time/elapsed", Seconds, "Since the start of this process's part of the run."),
                new(
                    "units/duplicates",
                    "units",
                    "Results that came a second time, since this process became the learner. They are not learnt from."
                ),
                new(
                    "units/refused",
                    "units",
                    "Results that were made with other weights than asked for, since this process became the learner."
                ),
            ]
        ),
        (
            "Asynchronous runs",
            "Only with async.max-staleness above 0.",
            [
                new("async/staleness_mean", "updates", "Mean age of the weights that drew the continuations."),
                new("async/staleness_max", "updates", "Greatest age."),
                new("async/staleness_{age}", Continuations, "Continuations of that age."),
                new("async/stale_fraction", Share, "Continuations that were drawn by older weights than the newest, where there are any."),
                new("async/stale_dropped", "units", "Units that became too old and are drawn again."),
            ]
        ),
        (
            "DfPO",
            "",
            [
                new("dfpo/advantage_positive", Share, "Tokens with a positive advantage."),
                new("dfpo/mask_positive", Share, "Tokens to be made likelier whose push the mask let through."),
                new("dfpo/mask_negative", Share, "Tokens to be made unlikelier whose push the mask let through."),
                new(
                    "dfpo/mask_skipped",
                    Share,
                    "Tokens that were drawn without the mask, because it left too little probability. They get no push."
                ),
                new("dfpo/kl_budget_used", Nats, "Mean KL of the continuations to the reference, under the weights being updated."),
                new("dfpo/over_budget", Share, "Continuations beyond the KL budget, whose pushes are masked."),
            ]
        ),
        (
            "Other algorithms",
            "",
            [
                new("ppo/kl_coefficient", "", "Coefficient of the KL penalty, also with NLPO."),
                new("a2c/kl_coefficient", "", "Coefficient of the KL penalty."),
                new("trpo/kl_coefficient", "", "Coefficient of the KL penalty."),
                new("reinforce_plus_plus/kl_coefficient", "", "Coefficient of the KL penalty."),
                new("trpo/step_size", Share, "Part of the full step that the line search took; 0 for no step."),
                new("trpo/step_kl", Nats, "KL of the policy before the step to the policy after it."),
                new("trpo/improvement", "", "Gain of the surrogate."),
                new("nlpo/outside_mask", Share, "Drawn tokens that the learner finds outside the mask. They get no push."),
                new("grpo/kl", Nats, "The k3 term: an estimate of the KL to the reference."),
                new("grpo/kl_coefficient", "", "Coefficient of the KL term."),
                new("grpo/cispo_clipped", Share, "Tokens with a positive advantage whose ratio was capped (cispo)."),
                new("grpo/vespo_phi", "", "Mean weight of a sequence (vespo)."),
                new("dpo/margin", "", "Mean difference of the implicit rewards of chosen and rejected."),
                new("dpo/accuracy", Share, "Pairs whose chosen side has the greater implicit reward."),
                new("dpo/chosen_reward", "", "Mean implicit reward of the chosen sides."),
                new("dpo/rejected_reward", "", "Mean implicit reward of the rejected sides."),
                new("dpo/chosen_logprob", "nats", "Mean log-probability of the chosen sides."),
                new("dpo/rejected_logprob", "nats", "Mean log-probability of the rejected sides."),
                new(
                    "kto/kl",
                    "nats a continuation",
                    "Estimate of the KL to the reference, from continuations of other prompts; at least 0."
                ),
                new("kto/{side}_reward", "", "Mean implicit reward of the continuations that are desirable, or undesirable."),
                new("kto/{side}_logprob", "nats", "Mean log-probability of the continuations that are desirable, or undesirable."),
                new("supervised/nll", Nats, "Negative log-likelihood of the given texts."),
            ]
        ),
        (
            "Evaluations",
            "On lines of type `evaluation`. The split is validation or test; the policy is policy (pi_theta), positive (pi+) or negative (pi-).",
            [
                .. Figures("eval/{split}/{policy}/"),
                new("eval/{split}/{policy}/{metric}", "that of the metric", "A text metric that evaluation.metrics names: meteor, ..."),
            ]
        ),
    ];

    /// <summary>All of them.</summary>
    public static IEnumerable<MetricEntry> All => Sections.SelectMany(section => section.Metrics);

    /// <summary>What is known of a recorded name; null for a name that is not of the catalogue.</summary>
    public static MetricEntry? Find(string name) => All.FirstOrDefault(metric => metric.Matches(name));

    /// <summary>The catalogue as the page <c>docs/metrics.md</c>.</summary>
    public static string Page()
    {
        var page = new StringBuilder(
            """
            # Metrics

            Every metric that a run records. This page is written by `dfpo plan --metrics`; do not edit it.

            `metrics.jsonl` in the run's folder has a line of type `iteration` for each iteration, a line of type `evaluation` for each evaluation,
            and a line of type `warning` for each warning of a guard. `dfpo run --json` prints the same lines. A metric that an algorithm does not
            have is absent. A value that is not finite is `null`. Evaluations also have `intervals`: for each figure the low and the high end of
            its 95 % interval.

            OpenTelemetry gets a gauge with the same name for each metric of an iteration. The figures of an evaluation are gauges without the
            policy in their name: `eval/validation/reward` with the attribute `rlhf.policy`. Two instruments are in OpenTelemetry only: the
            counter `rlhf.iterations` of finished iterations, and the gauge `rlhf.workers` of workers, with the attribute `rlhf.role`.

            """
        );
        foreach (var (title, about, metrics) in Sections)
        {
            page.Append($"\n## {title}\n\n").Append(about).Append(about.Length > 0 ? "\n\n" : "");
            page.Append("| metric | unit | meaning |\n|---|---|---|\n");
            foreach (var metric in metrics)
                page.Append($"| `{metric.Name}` | {metric.Unit} | {metric.Meaning.Replace("|", "\\|", StringComparison.Ordinal)} |\n");
        }
        return page.ToString();
    }

    // docs/tasks.md tells them at length.
    private static IEnumerable<MetricEntry> Figures(string prefix) =>
        [
            new(prefix + "reward", "", "Mean reward."),
            new(prefix + "perplexity", "", "Perplexity of what is drawn under the reference, exact at each state."),
            new(prefix + "entropy", Nats, "Entropy of what is drawn from. ln perplexity = entropy + KL."),
            new(prefix + "kl", Nats, "KL of what is drawn from to the reference."),
            new(prefix + "distinct_1", Share, "Different words over all words."),
            new(prefix + "distinct_2", Share, "Different word pairs over all word pairs."),
            new(prefix + "length", "tokens", "Mean length of a continuation."),
            new(prefix + "drawn_perplexity", "", "Perplexity of the drawn tokens under the reference: an estimate of perplexity."),
            new(prefix + "policy_kl", Nats, "KL of the policy itself to the reference, at the states that were visited."),
        ];
}
