using System.Text.Json.Nodes;
using static TorchSharp.torch;

namespace DfPO.Tasks.Tests.RealModels;

/// <summary>Real models with oracles, which are not part of the repository.</summary>
internal static class RealModel
{
    /// <summary>A model's folder, or a skipped test.</summary>
    public static string Folder(string name)
    {
        var folder = Path.GetFullPath(Path.Combine(Repository.Models, name));
        Assert.SkipUnless(Directory.Exists(folder), $"needs '{name}' of the folder of real models (set DFPO_MODELS)");
        return folder;
    }

    public static int[] Ids(JsonNode list) => [.. ((JsonArray)list).Select(id => (int)id!)];

    public static double[] Numbers(JsonNode list) => [.. ((JsonArray)list).Select(number => (double)number!)];

    public static Tensor Batch(int[] ids) => tensor(ids.Select(id => (long)id).ToArray()).unsqueeze(0);
}
