using System.Text.Json.Nodes;
using DfPO.Models.Checkpoints;
using static TorchSharp.torch;

namespace DfPO.Models.Classifiers;

/// <summary>Encoder classifiers from checkpoint folders.</summary>
internal static class EncoderCheckpoint
{
    private static readonly string[] s_types = ["bert", "distilbert", "roberta"];

    /// <summary>Whether a <c>config.json</c> describes an encoder.</summary>
    public static bool Knows(JsonObject config) => s_types.Contains(config["model_type"]?.ToString());

    /// <summary>See <see cref="PretrainedModels.LoadSequenceClassifier"/>.</summary>
    public static EncoderClassifier Load(EncoderConfig config, string folder, Device? device, ScalarType dtype)
    {
        using var weights = CheckpointFolder.Open(folder);
        weights.RequireAbout(config.ParameterCount);
        var model = EncoderClassifier.Create(config, device, dtype);
        try
        {
            PretrainedModels.LoadWeights(model, weights, IsIdle);
            model.eval();
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>What published files carry although the classifier has no use for it: position numbers, and RoBERTa's pooler.</summary>
    private static bool IsIdle(string name) => name.EndsWith(".position_ids", StringComparison.Ordinal) || name.StartsWith("roberta.pooler.", StringComparison.Ordinal);
}
