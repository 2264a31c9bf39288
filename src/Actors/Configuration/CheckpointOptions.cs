using System.ComponentModel.DataAnnotations;
using DfPO.Models.Options;

namespace DfPO.Actors.Configuration;

/// <summary>Resumable state.</summary>
public sealed record CheckpointOptions
{
    /// <summary>Iterations between checkpoints.</summary>
    [Range(1, int.MaxValue)]
    [Unit("iterations")]
    public int Every { get; init; } = 1;
}
