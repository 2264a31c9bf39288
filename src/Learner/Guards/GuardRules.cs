namespace DfPO.Learner.Guards;

/// <summary>An alarm that went off.</summary>
/// <param name="Code">Stable code, <c>learner/...</c>.</param>
/// <param name="Action">What is to be done.</param>
/// <param name="Reason">What was seen, and what helps.</param>
public sealed record Alarm(string Code, GuardAction Action, string Reason);

/// <summary>Means over a run's first iterations, which later ones are compared with.</summary>
/// <param name="Count">Iterations in them.</param>
/// <param name="Reward">Mean reward.</param>
/// <param name="LogPerplexity">Mean log-perplexity under the reference.</param>
public sealed record GuardBaseline(int Count = 0, double Reward = 0, double LogPerplexity = 0)
{
    /// <summary>With one more iteration, as long as there are fewer than <paramref name="most"/>.</summary>
    public GuardBaseline With(GuardFigures figures, int most)
    {
        if (Count >= most || figures is not { Reward: { } reward, Perplexity: { } perplexity })
            return this;
        return new GuardBaseline(
            Count + 1,
            Reward + (reward - Reward) / (Count + 1),
            LogPerplexity + (Math.Log(perplexity) - LogPerplexity) / (Count + 1)
        );
    }
}

/// <summary>Which alarms go off: a pure function of options and figures.</summary>
public static class GuardRules
{
    /// <summary>The alarms that are not off, the graver first.</summary>
    /// <param name="options">Thresholds.</param>
    /// <param name="maxKl">Threshold of the exploding KL, nats a token.</param>
    /// <param name="baseline">The first iterations.</param>
    /// <param name="figures">This iteration.</param>
    public static IReadOnlyList<Alarm> Check(GuardOptions options, double maxKl, GuardBaseline baseline, GuardFigures figures)
    {
        var alarms = new List<Alarm>();
        void Raise(bool holds, GuardAction action, string code, FormattableString reason)
        {
            if (holds && action != GuardAction.Off)
                alarms.Add(new Alarm(code, action, FormattableString.Invariant(reason)));
        }
        Raise(
            figures.Kl > maxKl,
            options.ExplodingKl,
            "learner/kl-exploded",
            $"the rollouts' mean KL is {figures.Kl:0.###} nats a token, above 'max-kl' {maxKl}: lower the learning rate or raise the KL coefficient"
        );
        Raise(
            figures.PolicyKl < options.MinKl,
            options.NegativeKl,
            "learner/kl-negative",
            $"the policy's samples have a mean log-ratio to the reference of {figures.PolicyKl:0.###} nats a token, under 'guards.min-kl' {options.MinKl}: what is sampled is not what is scored, look at top-k, top-p and temperature of the rollouts"
        );
        Raise(
            figures.Repetition > options.MaxRepetition,
            options.Repetition,
            "learner/repetition",
            $"{figures.Repetition:0.###} of the trigrams of a continuation occurred in it before, above 'guards.max-repetition' {options.MaxRepetition}: the policy degenerates"
        );
        Raise(
            baseline.Count >= options.BaselineIterations
                && figures.Reward > baseline.Reward
                && figures.Perplexity > options.MaxPerplexityRatio * Math.Exp(baseline.LogPerplexity),
            options.RewardHacking,
            "learner/reward-hacking",
            $"the reward rose from {baseline.Reward:0.###} to {figures.Reward:0.###} while the perplexity under the reference rose from {Math.Exp(baseline.LogPerplexity):0.#} to {figures.Perplexity:0.#}, more than 'guards.max-perplexity-ratio' {options.MaxPerplexityRatio} times: the reward is being gamed"
        );
        Raise(
            figures.Entropy < options.MinEntropy,
            options.EntropyCollapse,
            "learner/entropy-collapsed",
            $"the policy's mean entropy is {figures.Entropy:0.####} nats a token, under 'guards.min-entropy' {options.MinEntropy}: it has stopped exploring"
        );
        return [.. alarms.OrderByDescending(alarm => alarm.Action)];
    }
}
