using System.Text.Json;
using DfPO.Learner.Optimisation;
using DfPO.Models;
using DfPO.Models.Checkpoints;
using static TorchSharp.torch;

namespace DfPO.Learner.Checkpoints;

/// <summary>A learner's checkpoint folder: <c>policy/</c> (in HF layout), <c>value.safetensors</c>, <c>optimizer.safetensors</c> and <c>learner.json</c>, all float32.</summary>
internal static class LearnerCheckpoint
{
    private const string PolicyName = "policy";
    private const string ValueName = "value.safetensors";
    private const string OptimizerName = "optimizer.safetensors";
    private const string LearnerName = "learner.json";

    /// <summary>What is not a tensor.</summary>
    /// <param name="Iteration">Updates done.</param>
    /// <param name="Fingerprint">Options that a resumed run must repeat.</param>
    /// <param name="Objective">The objective's adaptive state.</param>
    public sealed record Scalars(int Iteration, string Fingerprint, IReadOnlyDictionary<string, double> Objective);

    public static void Save(string folder, LanguageModel policy, ValueModel value, AdamW optimizer, Scalars scalars) => AtomicFolder.Replace(folder, partial =>
    {
        using var scope = NewDisposeScope();
        PretrainedModels.Save(Path.Combine(partial, PolicyName), policy, ScalarType.Float32);
        SafetensorsWriter.Write(Path.Combine(partial, ValueName), value.state_dict());
        SafetensorsWriter.Write(Path.Combine(partial, OptimizerName), optimizer.State);
        File.WriteAllText(Path.Combine(partial, LearnerName), JsonSerializer.Serialize(scalars));
    });

    /// <exception cref="DfpoException"><c>learner/resume</c>, or a checkpoint error.</exception>
    public static Scalars Load(string folder, LanguageModel policy, ValueModel value, AdamW optimizer, string fingerprint)
    {
        AtomicFolder.Recover(folder);
        var scalars = Read(Path.Combine(folder, LearnerName));
        if (scalars.Fingerprint != fingerprint)
            throw new DfpoException("learner/resume", $"'{folder}' was made with other learner options ({scalars.Fingerprint}) than the run has now ({fingerprint}): repeat them, or start a new run.");
        using var weights = CheckpointFolder.Open(Path.Combine(folder, PolicyName));
        using var values = SafetensorsFile.Open(Path.Combine(folder, ValueName));
        using var moments = SafetensorsFile.Open(Path.Combine(folder, OptimizerName));
        using var scope = NewDisposeScope();
        PretrainedModels.LoadWeights(policy, weights, _ => false);
        using (no_grad())
            foreach (var (name, parameter) in value.named_parameters())
                parameter.copy_(values.Get(name));
        optimizer.LoadState(moments.Get);
        return scalars;
    }

    private static Scalars Read(string path)
    {
        if (!File.Exists(path))
            throw new DfpoException("learner/resume", $"'{path}' does not exist: give the folder of a learner's checkpoint, or start a new run.");
        try
        {
            return JsonSerializer.Deserialize<Scalars>(File.ReadAllText(path)) ?? throw new JsonException("it is empty");
        }
        catch (JsonException e)
        {
            throw new DfpoException("learner/resume", $"'{path}' is not a learner's state ({e.Message}): take an older checkpoint.", e);
        }
    }
}
