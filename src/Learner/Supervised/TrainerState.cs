using System.Text.Json;
using DfPO.Learner.Checkpoints;
using DfPO.Learner.Optimisation;
using DfPO.Models;
using DfPO.Models.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Supervised;

/// <summary>A supervised training's checkpoint: float32 weights, optimiser moments, and the number of steps done.</summary>
internal static class TrainerState
{
    private const string StepName = "trainer.json";
    private const string OptimizerName = "optimizer.safetensors";

    private sealed record Saved(int Step, string Options);

    /// <summary>Writes a checkpoint, whole or not at all.</summary>
    public static void Save(string folder, nn.Module model, AdamW optimizer, int step, SupervisedOptions options) =>
        AtomicFolder.Replace(folder, partial =>
        {
            PretrainedModels.Save(partial, model, ScalarType.Float32);
            SafetensorsWriter.Write(Path.Combine(partial, OptimizerName), optimizer.State);
            File.WriteAllText(Path.Combine(partial, StepName), JsonSerializer.Serialize(new Saved(step, Fingerprint(options))));
        });

    /// <summary>Loads a checkpoint if there is one; the steps done, 0 without.</summary>
    /// <exception cref="DfpoException"><c>train/resume</c>: the checkpoint was made with other options.</exception>
    public static int TryLoad(string folder, nn.Module model, AdamW optimizer, SupervisedOptions options)
    {
        AtomicFolder.Recover(folder);
        var path = Path.Combine(folder, StepName);
        if (!File.Exists(path))
            return 0;
        var saved = JsonSerializer.Deserialize<Saved>(File.ReadAllText(path))!;
        if (saved.Options != Fingerprint(options))
            throw new DfpoException(
                "train/resume",
                $"'{folder}' was made with other training options ({saved.Options}): repeat them, or give another output folder."
            );
        using var weights = CheckpointFolder.Open(folder);
        PretrainedModels.LoadWeights(model, weights, _ => false);
        using var moments = SafetensorsFile.Open(Path.Combine(folder, OptimizerName));
        optimizer.LoadState(moments.Get);
        return saved.Step;
    }

    private static string Fingerprint(SupervisedOptions options) => JsonSerializer.Serialize(options with { EvaluateEvery = 0 });
}
