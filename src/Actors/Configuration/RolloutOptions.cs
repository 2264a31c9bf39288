using System.ComponentModel.DataAnnotations;
using DfPO.Rollout;

namespace DfPO.Actors.Configuration;

/// <summary>Generation of training data.</summary>
public sealed record RolloutOptions
{
    /// <summary>
    /// Prompts an iteration (paper: batch 16). Each is continued as often as the objective asks: once by each of its policies, or by GRPO,
    /// RLOO and DPO several times; of DPO's given pairs, pairs an iteration.
    /// </summary>
    [Range(1, int.MaxValue)]
    public int PromptsPerIteration { get; init; } = 16;

    /// <summary>
    /// Continuations of a work unit, the quantum of determinism; must divide those of an iteration, and be a multiple of a prompt's, which
    /// are never parted.
    /// </summary>
    [Range(1, int.MaxValue)]
    public int UnitSize { get; init; } = 16;

    /// <summary>Rollout engines in this process.</summary>
    [Range(0, int.MaxValue)]
    public int Workers { get; init; } = 1;

    /// <summary>Devices of those engines, in turn.</summary>
    [MinLength(1)]
    [RegularExpression("cpu|cuda(:[0-9]+)?", ErrorMessage = "cpu, cuda or cuda:N")]
    public IReadOnlyList<string> Devices { get; init; } = ["cpu"];

    /// <summary>Torch threads an engine; engines side by side beat threads inside one.</summary>
    [Range(1, int.MaxValue)]
    public int Threads { get; init; } = 1;

    /// <summary>Reward workers in this process.</summary>
    [Range(0, int.MaxValue)]
    public int RewardWorkers { get; init; } = 1;

    /// <summary>How continuations are drawn; policy, mask rule and tolerance follow from the objective.</summary>
    public GenerationOptions Generation { get; init; } = new();

    /// <summary>A unit not returned in this time is handed out again.</summary>
    public TimeSpan UnitTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Worker processes that one holder of weights serves; more than that fetch from each other, as a tree.</summary>
    [Range(1, int.MaxValue)]
    public int RelayFanOut { get; init; } = 8;

    /// <summary>Waiting units stop the run when nobody was there to do them for so long; workers come and go meanwhile.</summary>
    public TimeSpan WorkerPatience { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>A unit that fails or times out this often stops the run.</summary>
    [Range(1, int.MaxValue)]
    public int MaxAttempts { get; init; } = 3;
}
