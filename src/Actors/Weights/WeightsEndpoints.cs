using DfPO.Models;
using DfPO.Models.Checkpoints;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace DfPO.Actors.Weights;

/// <summary>The bulk channel: weights from memory and checkpoint folders from disk, over HTTP with ranges, beside Akka's control messages.</summary>
public static class WeightsEndpoints
{
    /// <summary>Path prefix of weight versions, by digest.</summary>
    public const string WeightsPath = "/weights";

    /// <summary>Path prefix of the checkpoint folders that joining workers start from.</summary>
    public const string ModelsPath = "/models";

    /// <summary>Maps the routes.</summary>
    /// <param name="routes">The web server.</param>
    /// <param name="store">Weight versions.</param>
    /// <param name="folders">Checkpoint folders by public name; nothing else of the disk is reachable.</param>
    public static void MapWeights(this IEndpointRouteBuilder routes, WeightsStore store, IReadOnlyDictionary<string, string> folders)
    {
        routes.MapGet(WeightsPath + "/{digest}", (string digest) => store.Find(digest) is { } bytes
            ? Results.Bytes(bytes, "application/octet-stream", enableRangeProcessing: true)
            : Results.NotFound());
        routes.MapGet(ModelsPath + "/{name}", (string name) => folders.TryGetValue(name, out var folder)
            ? Results.Json(Directory.GetFiles(folder).Select(file => new ModelFile(Path.GetFileName(file), FileLength.Of(file))))
            : Results.NotFound());
        routes.MapGet(ModelsPath + "/{name}/{file}", (string name, string file) => folders.TryGetValue(name, out var folder) && Directory.GetFiles(folder).FirstOrDefault(path => Path.GetFileName(path) == file) is { } found
            ? Results.File(Path.GetFullPath(found), "application/octet-stream", enableRangeProcessing: true)
            : Results.NotFound());
    }

    /// <summary>An entry of a served folder.</summary>
    public sealed record ModelFile(string Name, long Length);
}
