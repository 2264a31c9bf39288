using System.ComponentModel.DataAnnotations;
using DfPO.Models.Options;

namespace DfPO.Actors.Configuration;

/// <summary>What a run keeps in its folder for those who look at it.</summary>
public sealed record RecordOptions
{
    /// <summary>
    /// Whether every continuation that an update learns from is kept, with what is known of each of its tokens: log-ratio to the reference,
    /// advantage and mask.
    /// </summary>
    public bool Rollouts { get; init; } = true;

    /// <summary>
    /// Most megabytes that the kept continuations take. Beyond it every other iteration of them is dropped, then every other one of those
    /// that are left; the first iteration and the newest one stay.
    /// </summary>
    [Range(1, 1_000_000)]
    [Unit("MB")]
    public int MaxSize { get; init; } = 256;
}
