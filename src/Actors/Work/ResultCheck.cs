using System.Globalization;
using DfPO.Models.Policies;
using DfPO.Rollout;

namespace DfPO.Actors.Work;

/// <summary>
/// What can be told of a result without making it again: whether it answers the unit at all, and whether its figures are possible. A worker
/// of this program never fails it.
/// </summary>
/// <param name="Vocabulary">Token ids of the policy are below it; 0 when it is not known.</param>
/// <param name="LowestReward">Least reward that the experiment's reward gives; minus infinity when it has no least one.</param>
/// <param name="HighestReward">Greatest one; plus infinity when it has none.</param>
public sealed record ResultCheck(
    int Vocabulary = 0,
    double LowestReward = double.NegativeInfinity,
    double HighestReward = double.PositiveInfinity
)
{
    // Sums of float32 probabilities miss 1 by a little: log-probabilities may come out above 0, and divergences below it, by so much.
    private const float Rounding = 1e-3f;

    /// <summary>What is wrong with a result, in words that end "the result ..."; null when nothing is.</summary>
    public string? Problem(WorkUnit unit, UnitResult result) =>
        (unit, result) switch
        {
            (RolloutUnit asked, RolloutResult made) => Problem(asked, made.Sequences),
            (RewardUnit asked, RewardResult made) => Problem(asked, made),
            _ => "is of another kind than the unit",
        };

    private string? Problem(RewardUnit unit, RewardResult made)
    {
        var rewards = made.Rewards;
        if (made.Terms.FirstOrDefault(term => term.Count != unit.Texts.Count) is { } term)
            return $"has {term.Count} scores of a reward's term for {unit.Texts.Count} texts";
        if (rewards.Count != unit.Texts.Count)
            return $"has {rewards.Count} rewards for {unit.Texts.Count} texts";
        foreach (var reward in rewards)
            if (!float.IsFinite(reward) || reward < LowestReward - Rounding || reward > HighestReward + Rounding)
                return string.Create(
                    CultureInfo.InvariantCulture,
                    $"has the reward {reward}, and this run's are between {LowestReward} and {HighestReward}"
                );
        return null;
    }

    private string? Problem(RolloutUnit unit, IReadOnlyList<GeneratedSequence> sequences)
    {
        var each = unit.Options.NumReturnSequences;
        if (sequences.Count != unit.Requests.Count * each)
            return $"has {sequences.Count} continuations for {unit.Requests.Count} prompts";
        for (var i = 0; i < sequences.Count; i++)
            if (Problem(unit, unit.Requests[i / each], sequences[i]) is { } problem)
                return $"{problem} (continuation {i})";
        return null;
    }

    private string? Problem(RolloutUnit unit, GenerationRequest request, GeneratedSequence made)
    {
        var (tokens, options) = (made.Tokens, unit.Options);
        if (!made.PromptTokens.AsSpan().SequenceEqual(request.PromptTokens))
            return "continues another prompt";
        if (tokens.Length == 0 || tokens.Length > options.MaxNewTokens)
            return $"has {tokens.Length} tokens, and 1 to {options.MaxNewTokens} were asked for";
        foreach (var token in tokens)
            if (token < 0 || (Vocabulary > 0 && token >= Vocabulary))
                return $"has the token id {token}, and the vocabulary has {Vocabulary}";
        if (tokens.AsSpan(0, tokens.Length - 1).IndexOfAny([.. unit.EndOfText.Ids]) >= 0 && options.NumBeams == 1)
            return "goes on after its end";
        var ended = unit.EndOfText.Contains(tokens[^1]);
        if (made.Finished && !ended)
            return "says that it ended, and no token of it ends a text";
        if (!made.Finished && tokens.Length < options.MaxNewTokens)
            return $"stops after {tokens.Length} of {options.MaxNewTokens} tokens without an end";
        return Figures(made, tokens.Length);
    }

    private static string? Figures(GeneratedSequence made, int tokens)
    {
        foreach (
            var (name, values, lowest, highest) in new[]
            {
                ("log-probability", made.Logprobs, float.NegativeInfinity, Rounding),
                ("log-probability of the reference", made.ReferenceLogprobs, float.NegativeInfinity, Rounding),
                ("KL", made.StateKl, -Rounding, float.PositiveInfinity),
                ("retained mass", made.RetainedMass, -Rounding, 1 + Rounding),
            }
        )
        {
            if (values.Length != 0 && values.Length != tokens)
                return $"has {values.Length} values of {name} for {tokens} tokens";
            foreach (var value in values)
                if (!float.IsFinite(value) || value < lowest || value > highest)
                    return string.Create(CultureInfo.InvariantCulture, $"has the {name} {value}");
        }
        if (made.Logprobs.Length == 0)
            return "has no log-probabilities";
        foreach (var step in made.SkippedMaskSteps)
            if (step < 0 || step >= tokens)
                return $"skipped a mask at step {step} of {tokens}";
        return made.Figures is { } figures && !(double.IsFinite(figures.CrossEntropy) && double.IsFinite(figures.Kl))
            ? "has figures of decoding that are not finite"
            : null;
    }
}
