using DfPO.Actors.Evaluation;
using DfPO.Learner;
using DfPO.Learner.Configuration;
using DfPO.Learner.Guards;
using DfPO.Learner.Updates;
using DfPO.Models;
using TorchSharp;

namespace DfPO.Host.Distillation;

/// <summary>How one model is made of two.</summary>
/// <param name="Epochs">Passes over the samples, at least 1.</param>
/// <param name="LearningRate">AdamW's.</param>
/// <param name="MinibatchSize">Sequences a step, at least 1.</param>
/// <param name="Seed">Seed of their order.</param>
/// <param name="Device">Where it learns.</param>
internal sealed record DistillerOptions(int Epochs, double LearningRate, int MinibatchSize, ulong Seed, string Device);

/// <summary>
/// Supervised learning on a decoding policy's own samples: what needed the reference beside the policy becomes an ordinary model
/// (sequence-level distillation, Kim and Rush 2016).
/// </summary>
internal static class Distiller
{
    /// <summary>Trains a copy of the policy on samples and writes it with its tokenizer.</summary>
    /// <param name="policy">Checkpoint folder of the policy.</param>
    /// <param name="samples">What the masked policy made of prompts; those that do not fill a minibatch are left out.</param>
    /// <param name="options">Hyper-parameters.</param>
    /// <param name="folder">Folder to write.</param>
    /// <param name="progress">Receives the epoch and the mean negative log-likelihood a token.</param>
    /// <param name="cancellation">Ends between two minibatches.</param>
    /// <exception cref="DfpoException"><c>distill/samples</c>: fewer samples than a minibatch.</exception>
    public static void Train(
        string policy,
        IReadOnlyList<Continuation> samples,
        DistillerOptions options,
        string folder,
        Action<int, double> progress,
        CancellationToken cancellation
    )
    {
        var usable = samples.Where(sample => sample.Sequence.Tokens.Length > 0).ToArray();
        if (usable.Length < options.MinibatchSize)
            throw new DfpoException(
                "distill/samples",
                $"{usable.Length} samples do not fill one minibatch of {options.MinibatchSize}: give more prompts, more --samples-per-prompt, or a smaller --minibatch-size."
            );
        Trajectory[] batch =
        [
            .. usable
                .Take(usable.Length - (usable.Length % options.MinibatchSize))
                .Select(sample => Trajectory.Demonstrated(sample.Sequence.PromptTokens, sample.Sequence.Tokens)),
        ];
        using var student = PretrainedModels.LoadLanguageModel(policy, Models.Devices.TorchDevices.Parse(options.Device));
        var learning = new LearnerOptions
        {
            Objective = ObjectiveKind.Supervised,
            Epochs = 1,
            LearningRate = options.LearningRate,
            MinibatchSize = options.MinibatchSize,
            MaxGradNorm = 1,
            Guards = new GuardOptions { EntropyCollapse = GuardAction.Off },
        };
        using (var learner = new PolicyLearner(student, null, learning, options.Seed, folder + ".incidents"))
            for (var epoch = 1; epoch <= options.Epochs; epoch++)
                progress(epoch, learner.Update(batch, cancellation).Metrics["supervised/nll"]);
        PretrainedModels.Save(folder, student, torch.ScalarType.Float32);
        ModelFolder.Complete(folder, policy);
    }
}
