using System.Security.Cryptography;
using DfPO.Actors.Weights;
using DfPO.Models;
using DfPO.Rollout;
using DfPO.Tasks.Prompts;

namespace DfPO.Actors.Work;

/// <summary>Identity of a work unit, unique within a run.</summary>
public readonly record struct UnitId(string Value)
{
    /// <inheritdoc/>
    public override string ToString() => Value;
}

/// <summary>Identity of a worker: one engine in one process.</summary>
public readonly record struct WorkerId(string Value)
{
    /// <summary>An identity that nobody has had, and nobody can guess.</summary>
    /// <param name="name">For people.</param>
    public static WorkerId New(string name) => new($"{name}/{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16))}");

    /// <inheritdoc/>
    public override string ToString() => Value;
}

/// <summary>The quantum of work, retry and determinism: what it says is all that its result depends on.</summary>
public abstract record WorkUnit(UnitId Id)
{
    /// <summary>Weights that the worker must hold; null where none are needed.</summary>
    public virtual WeightsRef? RequiredWeights => null;
}

/// <summary>Prompts to continue as one batch.</summary>
/// <param name="Id">Identity.</param>
/// <param name="Requests">Prompts with their seeds.</param>
/// <param name="Options">How to draw.</param>
/// <param name="Weights">Policy weights to draw with, and under.</param>
/// <param name="EndOfText">Tokens that end a continuation.</param>
public sealed record RolloutUnit(
    UnitId Id,
    IReadOnlyList<GenerationRequest> Requests,
    GenerationOptions Options,
    WeightsRef Weights,
    EndOfText EndOfText
) : WorkUnit(Id)
{
    /// <inheritdoc/>
    public override WeightsRef RequiredWeights => Weights;
}

/// <summary>Texts to reward as one batch.</summary>
/// <param name="Id">Identity.</param>
/// <param name="Texts">Prompts and continuations.</param>
public sealed record RewardUnit(UnitId Id, IReadOnlyList<PromptContinuation> Texts) : WorkUnit(Id);

/// <summary>What a worker made of a unit.</summary>
public abstract record UnitResult;

/// <summary>Continuations in the order of the requests.</summary>
public sealed record RolloutResult(IReadOnlyList<GeneratedSequence> Sequences) : UnitResult;

/// <summary>Rewards in the order of the texts.</summary>
public sealed record RewardResult(IReadOnlyList<float> Rewards) : UnitResult
{
    /// <summary>Of a combination: for each term its scores before its factor, in the order of the texts; else empty.</summary>
    public IReadOnlyList<IReadOnlyList<float>> Terms { get; init; } = [];
}
