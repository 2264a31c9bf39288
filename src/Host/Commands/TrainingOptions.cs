using System.CommandLine;
using System.Globalization;
using DfPO.Learner.Supervised;
using TorchSharp;

namespace DfPO.Host.Commands;

/// <summary>The command-line options that both training commands share.</summary>
internal sealed class TrainingOptions
{
    private static readonly SupervisedOptions s_defaults = new();
    private readonly Option<int> _steps = Options.Of("--steps", "Optimiser steps in all.", s_defaults.Steps);
    private readonly Option<int> _batch = Options.Of("--batch-size", "Sequences a step.", s_defaults.BatchSize);
    private readonly Option<int> _block = Options.Of("--block-size", "Tokens a sequence.", s_defaults.BlockSize);
    private readonly Option<double> _rate = Options.Of("--learning-rate", "Peak learning rate.", s_defaults.LearningRate);
    private readonly Option<int> _warmup = Options.Of("--warmup-steps", "Steps of linear warm-up.", s_defaults.WarmupSteps);
    private readonly Option<double> _decay = Options.Of("--weight-decay", "Decoupled weight decay of matrices.", s_defaults.WeightDecay);
    private readonly Option<int> _seed = Options.Of("--seed", "Seed of fresh weights and data order.", 42);
    private readonly Option<int> _every = Options.Of(
        "--evaluate-every",
        "Steps between held-out evaluations and checkpoints.",
        s_defaults.EvaluateEvery
    );
    private readonly Option<bool> _bf16 = new("--bf16") { Description = "Matrix products in bfloat16 (weights stay float32)." };
    private readonly Option<int> _threads = Options.Of("--threads", "Torch threads; 0 leaves torch's own choice.", 0);

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { _steps, _batch, _block, _rate, _warmup, _decay, _seed, _every, _bf16, _threads })
            command.Options.Add(option);
    }

    /// <summary>Reads the values and sets the torch thread count of the calling thread.</summary>
    public SupervisedOptions Read(ParseResult result)
    {
        if (result.GetValue(_threads) is > 0 and var threads)
            torch.set_num_threads(threads);
        return new SupervisedOptions
        {
            Steps = result.GetValue(_steps),
            BatchSize = result.GetValue(_batch),
            BlockSize = result.GetValue(_block),
            LearningRate = result.GetValue(_rate),
            WarmupSteps = result.GetValue(_warmup),
            WeightDecay = result.GetValue(_decay),
            Seed = (ulong)result.GetValue(_seed),
            EvaluateEvery = result.GetValue(_every),
            Bf16 = result.GetValue(_bf16),
        }.Checked();
    }

    public static void Print(TrainingProgress p, string heldOutName) =>
        Console.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"step {p.Step}/{p.TotalSteps}  loss {p.Loss:F4}  lr {p.LearningRate:E2}  {p.TokensPerSecond:F0} tokens/s{(p.HeldOut is { } held ? $"  {heldOutName} {held:F4}" : "")}"
            )
        );
}
