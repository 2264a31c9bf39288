using DfPO.Learner.Passes;
using DfPO.Models;
using DfPO.Models.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Supervised;

/// <summary>Next-token training of a causal language model on a stream of documents.</summary>
public static class LanguageModelTrainer
{
    /// <summary>
    /// Trains to the end of the schedule, or until cancelled, from the checkpoint in <paramref name="checkpoint"/> if there is one.
    /// </summary>
    /// <param name="model">Trained in place.</param>
    /// <param name="train">Training tokens, more than a block.</param>
    /// <param name="heldOut">Held-out tokens, more than a block.</param>
    /// <param name="options">Hyper-parameters.</param>
    /// <param name="checkpoint">Folder of the resumable state.</param>
    /// <param name="report">Receives progress.</param>
    /// <param name="cancellation">Stops after the step in hand, leaving a checkpoint.</param>
    /// <exception cref="DfpoException"><c>train/options</c>, <c>train/data</c> or <c>train/resume</c>.</exception>
    public static void Train(
        CausalLM model,
        TokenStream train,
        TokenStream heldOut,
        SupervisedOptions options,
        string checkpoint,
        Action<TrainingProgress> report,
        CancellationToken cancellation
    )
    {
        options.Checked();
        if (options.BlockSize > model.MaxPositions)
            throw new DfpoException(
                "train/options",
                $"Training option 'block-size' is {options.BlockSize} but the model has {model.MaxPositions} positions."
            );
        foreach (var (stream, name) in new[] { (train, "training"), (heldOut, "held-out") })
            if (stream.Count <= options.BlockSize)
                throw new DfpoException(
                    "train/data",
                    $"The {name} text has {stream.Count} tokens: more than one block of {options.BlockSize} is needed."
                );
        model.Precision.MatmulDtype = options.Bf16 ? ScalarType.BFloat16 : null;
        SupervisedTrainer.Run(
            model,
            options,
            checkpoint,
            step => Backward(model, train, options, step),
            () => CrossEntropy(model, heldOut, options.BlockSize, options.BatchSize, maxBlocks: 256),
            report,
            cancellation
        );
        model.Precision.MatmulDtype = null;
    }

    /// <summary>Mean next-token cross-entropy, nats a token, over disjoint blocks from the start of a stream.</summary>
    /// <param name="model">The model.</param>
    /// <param name="stream">The text.</param>
    /// <param name="blockSize">Context length.</param>
    /// <param name="batchSize">Blocks a pass.</param>
    /// <param name="maxBlocks">Most blocks to use.</param>
    public static double CrossEntropy(CausalLM model, TokenStream stream, int blockSize, int batchSize, int maxBlocks = int.MaxValue)
    {
        using var _ = no_grad();
        var starts = Enumerable.Range(0, Math.Min(maxBlocks, (stream.Count - 1) / blockSize)).Select(block => block * blockSize);
        double sum = 0;
        var blocks = 0;
        foreach (var chunk in starts.Chunk(batchSize))
        {
            using var scope = NewDisposeScope();
            sum -= Logprobs(model, stream, chunk, blockSize).Values.mean().ToNumber() * chunk.Length;
            blocks += chunk.Length;
        }
        return sum / blocks;
    }

    private static (double, long) Backward(CausalLM model, TokenStream train, SupervisedOptions options, int step)
    {
        var starts = new int[options.BatchSize];
        for (var row = 0; row < starts.Length; row++)
            starts[row] = (int)(
                CounterRandom.UInt64(options.Seed, (ulong)step * (ulong)options.BatchSize + (ulong)row)
                % (ulong)(train.Count - options.BlockSize)
            );
        var logprobs = Logprobs(model, train, starts, options.BlockSize);
        var tokens = logprobs.Values.size(0);
        logprobs.Backward(logprobs.Values.Full(-1.0 / tokens));
        return (-logprobs.Values.mean().ToNumber(), tokens);
    }

    private static TokenLogprobs Logprobs(CausalLM model, TokenStream stream, int[] starts, int blockSize)
    {
        var inputs = new long[starts.Length * blockSize];
        var targets = new long[inputs.Length];
        for (var row = 0; row < starts.Length; row++)
        {
            var block = stream.Block(starts[row], blockSize);
            for (var t = 0; t < blockSize; t++)
                (inputs[row * blockSize + t], targets[row * blockSize + t]) = (block[t], block[t + 1]);
        }
        var device = model.parameters().First().device;
        var logits = model.Logits(tensor(inputs, [starts.Length, blockSize], device: device));
        return TokenLogprobs.FromLogits(logits.view(-1, model.VocabularySize), tensor(targets, device: device), withEntropy: false);
    }
}
