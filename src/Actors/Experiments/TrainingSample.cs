using System.Diagnostics;
using DfPO.Learner;
using DfPO.Models;
using DfPO.Tasks.Prompts;

namespace DfPO.Actors.Experiments;

/// <summary>A continuation that an update learnt from, with all that is known of it.</summary>
/// <param name="Unit">The work unit that drew it.</param>
/// <param name="Span">Span of that unit; default where nobody traces.</param>
/// <param name="Prompt">The prompt; a conversation is rendered.</param>
/// <param name="Continuation">Its text.</param>
/// <param name="Trajectory">Its tokens with their log-probabilities, its reward, behaviour and weights' version.</param>
/// <param name="RewardTerms">Of a combined reward: the score of each term, before its factor; else empty.</param>
/// <param name="Tokens">What the update made of its tokens; null where the learner did not say.</param>
/// <param name="Piece">The text of a token.</param>
public sealed record TrainingSample(
    string Unit,
    ActivityContext Span,
    Prompt Prompt,
    string Continuation,
    Trajectory Trajectory,
    IReadOnlyList<float> RewardTerms,
    TokenFigures? Tokens,
    Func<int, string> Piece
)
{
    /// <summary>The continuations of an iteration's units, in the order in which they are learnt.</summary>
    /// <param name="units">The units.</param>
    /// <param name="batch">Their trajectories.</param>
    /// <param name="figures">What the learner tells of each; may be empty.</param>
    /// <param name="piece">The text of a token.</param>
    public static IReadOnlyList<TrainingSample> Of(
        IEnumerable<ScoredUnit> units,
        IReadOnlyList<Trajectory> batch,
        IReadOnlyList<TokenFigures?> figures,
        Func<int, string> piece
    ) =>
        [
            .. units
                .SelectMany(unit => unit.Continuations.Select((made, i) => (unit, made, i)))
                .Select(
                    (one, n) =>
                        new TrainingSample(
                            one.unit.Planned.Unit.Id.Value,
                            one.unit.Spans.Count > 0 ? one.unit.Spans[0] : default,
                            one.made.Prompt,
                            one.made.Text,
                            batch[n],
                            [.. one.unit.RewardTerms.Select(term => term[one.i])],
                            n < figures.Count ? figures[n] : null,
                            piece
                        )
                ),
        ];
}
