using System.Text.Json;
using DfPO.Learner.Guards;
using DfPO.Learner.Optimisation;
using DfPO.Models;
using DfPO.Models.Checkpoints;
using DfPO.Models.Files;
using DfPO.Models.Lora;
using static TorchSharp.torch;
using Parameter = TorchSharp.Modules.Parameter;

namespace DfPO.Learner.Checkpoints;

/// <summary>
/// A learner's checkpoint folder: <c>policy/</c> (in HF layout), or <c>adapter.safetensors</c> where only adapters are learnt,
/// <c>optimizer.safetensors</c>, <c>learner.json</c>, and what the objective needs of <c>value.safetensors</c> and <c>mask.safetensors</c>;
/// all float32.
/// </summary>
internal static class LearnerCheckpoint
{
    private const string PolicyName = "policy";
    private const string AdapterName = "adapter.safetensors";
    private const string ValueName = "value.safetensors";
    private const string MaskName = "mask.safetensors";
    private const string OptimizerName = "optimizer.safetensors";
    private const string LearnerName = "learner.json";

    /// <summary>What is not a tensor.</summary>
    /// <param name="Iteration">Updates done.</param>
    /// <param name="Fingerprint">Options that a resumed run must repeat.</param>
    /// <param name="Objective">The objective's adaptive state.</param>
    /// <param name="Guards">What the guards compare with.</param>
    /// <param name="PolicySteps">Steps that the policy's learning rate has gone.</param>
    /// <param name="ValueIsWarm">Whether the value model has passed the end of its warm-up.</param>
    public sealed record Scalars(
        int Iteration,
        IReadOnlyDictionary<string, string> Fingerprint,
        IReadOnlyDictionary<string, double> Objective,
        GuardBaseline? Guards = null,
        long PolicySteps = 0,
        bool ValueIsWarm = false
    );

    public static void Save(string folder, TrainableModels models, AdamW optimizer, Scalars scalars) =>
        AtomicFolder.Replace(folder, partial =>
        {
            using var scope = NewDisposeScope();
            if (models.Policy.Adapters is null)
                PretrainedModels.Save(Path.Combine(partial, PolicyName), models.Policy, ScalarType.Float32);
            foreach (var (parameters, name) in Others(models))
                SafetensorsWriter.Write(Path.Combine(partial, name), parameters.ToDictionary(p => p.name, p => (Tensor)p.parameter));
            SafetensorsWriter.Write(Path.Combine(partial, OptimizerName), optimizer.State);
            File.WriteAllText(Path.Combine(partial, LearnerName), JsonSerializer.Serialize(scalars));
            FolderChecksums.Seal(partial);
        });

    /// <exception cref="DfpoException"><c>learner/resume</c>, or a checkpoint error.</exception>
    public static Scalars Load(string folder, TrainableModels models, AdamW optimizer, IReadOnlyDictionary<string, string> fingerprint)
    {
        AtomicFolder.Recover(folder);
        var scalars = Read(Path.Combine(folder, LearnerName));
        LearnerFingerprint.Require(folder, scalars.Fingerprint, fingerprint);
        using var moments = SafetensorsFile.Open(Path.Combine(folder, OptimizerName));
        using var scope = NewDisposeScope();
        if (models.Policy.Adapters is null)
        {
            using var weights = CheckpointFolder.Open(Path.Combine(folder, PolicyName));
            PretrainedModels.LoadWeights(models.Policy, weights, _ => false);
        }
        foreach (var (parameters, name) in Others(models))
            Load(parameters, Path.Combine(folder, name));
        optimizer.LoadState(moments.Get);
        return scalars;
    }

    /// <summary>What is kept beside the policy's folder: with adapters only they were learnt, and the base is where it was.</summary>
    private static IEnumerable<(IEnumerable<(string name, Parameter parameter)> Parameters, string Name)> Others(TrainableModels models)
    {
        if (models.Policy.Adapters is { } adapters)
            yield return (adapters.named_parameters(), AdapterName);
        if (models.Value is { } value)
            yield return (value.TrainedParameters(), ValueName);
        if (models.Mask is { } mask)
            yield return (mask.named_parameters(), MaskName);
    }

    private static void Load(IEnumerable<(string name, Parameter parameter)> parameters, string path)
    {
        using var file = SafetensorsFile.Open(path);
        using var _ = no_grad();
        foreach (var (name, parameter) in parameters)
        {
            var saved = file.Get(name);
            if (
                !saved.shape.SequenceEqual(parameter.shape)
                || (name == LoraAdapters.AlphaName && saved.item<float>() != parameter.item<float>())
            )
                throw new DfpoException(
                    "learner/resume",
                    $"'{path}': '{name}' was made with other adapters than the run has now: repeat the options of 'model.lora', or start a new run."
                );
            parameter.copy_(saved);
        }
    }

    private static Scalars Read(string path)
    {
        if (!File.Exists(path))
            throw new DfpoException(
                "learner/resume",
                $"'{path}' does not exist: give the folder of a learner's checkpoint, or start a new run."
            );
        try
        {
            return JsonSerializer.Deserialize<Scalars>(File.ReadAllText(path)) ?? throw new JsonException("it is empty");
        }
        catch (JsonException e)
        {
            throw new DfpoException(
                "learner/resume",
                $"'{path}' is not a learner's state ({e.Message}): take an older checkpoint, or the version of the program that wrote it.",
                e
            );
        }
    }
}
