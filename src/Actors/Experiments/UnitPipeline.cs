using System.Diagnostics;
using DfPO.Actors.Evaluation;
using DfPO.Actors.Work;
using DfPO.Learner;
using DfPO.Models;
using DfPO.Tasks.Metrics;

namespace DfPO.Actors.Experiments;

/// <summary>A unit that was rolled out and rewarded.</summary>
/// <param name="Planned">What was asked.</param>
/// <param name="Continuations">What the policy made of it, in the order of its prompts.</param>
/// <param name="Rewards">Their rewards.</param>
/// <param name="Spans">Spans of the rollout and of the reward.</param>
public sealed record ScoredUnit(
    PlannedUnit Planned,
    IReadOnlyList<Continuation> Continuations,
    IReadOnlyList<float> Rewards,
    IReadOnlyList<ActivityContext> Spans
)
{
    /// <summary>Of a combined reward: for each term its scores, one a continuation; else empty.</summary>
    public IReadOnlyList<IReadOnlyList<float>> RewardTerms { get; init; } = [];

    /// <summary>As the learner takes it.</summary>
    public IEnumerable<Trajectory> Trajectories() =>
        Continuations.Select(
            (made, i) =>
                new Trajectory(made.Sequence, Rewards[i], Planned.Unit.Options.Policy)
                {
                    Truncated = !made.Sequence.Finished,
                    WeightsVersion = Planned.Unit.Weights.Version,
                    Group = Planned.Groups.Count > 0 ? Planned.Groups[i] : 0,
                    Demonstration = Planned.Demonstrations.Count > 0 ? Planned.Demonstrations[i] : null,
                }
        );

    /// <summary>As readers and metrics take it.</summary>
    public IEnumerable<Sample> Samples() => Continuations.Zip(Rewards, (continuation, reward) => continuation.ToSample(reward));
}

/// <summary>Takes units through rollout and reward; a unit is rewarded while others are still rolled out.</summary>
/// <param name="services">The cluster.</param>
/// <param name="decode">The text of token ids.</param>
public sealed class UnitPipeline(IExperimentServices services, Func<int[], string> decode)
{
    /// <summary>Does all units; the results stand in the order of the plan, whatever the order of arrival.</summary>
    public async Task<IReadOnlyList<ScoredUnit>> Process(
        IReadOnlyList<PlannedUnit> units,
        ActivityContext parent,
        CancellationToken cancellation
    )
    {
        // One failed unit ends the others' waiting too.
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var tasks = units.Select(unit => Process(unit, parent, stop.Token)).ToArray();
        try
        {
            await foreach (var task in Task.WhenEach(tasks))
                await task;
        }
        catch
        {
            await stop.CancelAsync();
            throw;
        }
        return [.. tasks.Select(task => task.Result)];
    }

    /// <summary>Does one unit; a cancelled one is withdrawn.</summary>
    public async Task<ScoredUnit> Process(PlannedUnit planned, ActivityContext parent, CancellationToken cancellation)
    {
        var unit = planned.Unit;
        var rolledOut = await services.Process(unit, parent, cancellation);
        var sequences = Expect<RolloutResult>(rolledOut).Sequences;
        if (sequences.Count != unit.Requests.Count)
            throw new DfpoException(
                "run/unit-result",
                $"Unit {unit.Id} has {unit.Requests.Count} prompts but came back with {sequences.Count} continuations."
            );
        Continuation[] continuations =
        [
            .. planned.Prompts.Zip(sequences, (prompt, sequence) => new Continuation(prompt, decode(sequence.Tokens), sequence)),
        ];
        var rewardUnit = new RewardUnit(new UnitId(unit.Id + "/reward"), [.. continuations.Select(continuation => continuation.ToText())]);
        var rewarded = await services.Process(rewardUnit, parent, cancellation);
        var result = Expect<RewardResult>(rewarded);
        var rewards = result.Rewards;
        if (rewards.Count != continuations.Length)
            throw new DfpoException(
                "run/unit-result",
                $"Unit {rewardUnit.Id} has {continuations.Length} texts but came back with {rewards.Count} rewards."
            );
        return new ScoredUnit(planned, continuations, rewards, [rolledOut.Span, rewarded.Span]) { RewardTerms = result.Terms };
    }

    private static T Expect<T>(WorkProtocol.UnitFinished finished)
        where T : UnitResult =>
        finished.Result as T
        ?? throw new DfpoException(
            "run/unit-result",
            $"Unit {finished.Unit} came back with {finished.Result.GetType().Name}, not {typeof(T).Name}."
        );
}
