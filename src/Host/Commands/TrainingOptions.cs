using System.CommandLine;
using System.Globalization;
using DfPO.Learner.Supervised;
using TorchSharp;

namespace DfPO.Host.Commands;

/// <summary>The command-line options that both training commands share.</summary>
internal sealed class TrainingOptions
{
    private readonly Option<int> _steps = Int("--steps", "Optimiser steps in all.", new SupervisedOptions().Steps);
    private readonly Option<int> _batch = Int("--batch-size", "Sequences a step.", new SupervisedOptions().BatchSize);
    private readonly Option<int> _block = Int("--block-size", "Tokens a sequence.", new SupervisedOptions().BlockSize);
    private readonly Option<double> _rate = new("--learning-rate") { Description = "Peak learning rate.", DefaultValueFactory = _ => new SupervisedOptions().LearningRate };
    private readonly Option<int> _warmup = Int("--warmup-steps", "Steps of linear warm-up.", new SupervisedOptions().WarmupSteps);
    private readonly Option<double> _decay = new("--weight-decay") { Description = "Decoupled weight decay of matrices.", DefaultValueFactory = _ => new SupervisedOptions().WeightDecay };
    private readonly Option<int> _seed = Int("--seed", "Seed of fresh weights and data order.", 42);
    private readonly Option<int> _every = Int("--evaluate-every", "Steps between held-out evaluations and checkpoints.", new SupervisedOptions().EvaluateEvery);
    private readonly Option<bool> _bf16 = new("--bf16") { Description = "Matrix products in bfloat16 (weights stay float32)." };
    private readonly Option<int> _threads = Int("--threads", "Torch threads; 0 leaves torch's own choice.", 0);

    public static Option<int> Int(string name, string description, int value) => new(name) { Description = description, DefaultValueFactory = _ => value };

    public static Option<string> Text(string name, string description) => new(name) { Description = description, Required = true };

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

    public static void Print(TrainingProgress p, string heldOutName) => Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
        $"step {p.Step}/{p.TotalSteps}  loss {p.Loss:F4}  lr {p.LearningRate:E2}  {p.TokensPerSecond:F0} tokens/s{(p.HeldOut is { } held ? $"  {heldOutName} {held:F4}" : "")}"));
}
