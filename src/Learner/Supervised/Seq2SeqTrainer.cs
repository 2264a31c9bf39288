using DfPO.Learner.Passes;
using DfPO.Models;
using DfPO.Models.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Supervised;

/// <summary>A text and what it is to become, as token ids.</summary>
/// <param name="Source">The encoder's input, special tokens included.</param>
/// <param name="Target">The decoder's output, its end of text included.</param>
public sealed record SourceTarget(int[] Source, int[] Target);

/// <summary>Training of an encoder-decoder model on pairs of texts: cross-entropy of the target's tokens.</summary>
public static class Seq2SeqTrainer
{
    private const int MostHeldOut = 1024;

    /// <summary>
    /// Trains to the end of the schedule, or until cancelled, from the checkpoint in <paramref name="checkpoint"/> if there is one.
    /// </summary>
    /// <param name="model">Trained in place.</param>
    /// <param name="train">Training pairs, at least one; each epoch goes through a fresh permutation of them.</param>
    /// <param name="heldOut">Held-out pairs, at least one; the first 1,024 are evaluated.</param>
    /// <param name="options">Hyper-parameters; <see cref="SupervisedOptions.BlockSize"/> bounds sources (which lose their beginning) and
    /// targets (which lose their end).</param>
    /// <param name="checkpoint">Folder of the resumable state.</param>
    /// <param name="report">Receives progress; its held-out figure is <see cref="CrossEntropy"/>.</param>
    /// <param name="cancellation">Stops after the step in hand, leaving a checkpoint.</param>
    /// <exception cref="DfpoException"><c>train/options</c>, <c>train/data</c> or <c>train/resume</c>.</exception>
    public static void Train(
        EncoderDecoderLM model,
        IReadOnlyList<SourceTarget> train,
        IReadOnlyList<SourceTarget> heldOut,
        SupervisedOptions options,
        string checkpoint,
        Action<TrainingProgress> report,
        CancellationToken cancellation
    )
    {
        options.Checked();
        foreach (var (pairs, name) in new[] { (train, "training"), (heldOut, "held-out") })
            if (pairs.Count == 0 || pairs.Any(pair => pair.Source.Length == 0 || pair.Target.Length == 0))
                throw new DfpoException(
                    "train/data",
                    $"The {name} data have {pairs.Count} pairs, or one whose source or target is empty: each needs at least one token on both sides."
                );
        var order = new EpochOrder(train.Count, options.Seed);
        model.Precision.MatmulDtype = options.Bf16 ? ScalarType.BFloat16 : null;
        SupervisedTrainer.Run(
            model,
            options,
            checkpoint,
            step => Backward(model, train, order, options, step),
            () => CrossEntropy(model, heldOut, options.BlockSize, options.BatchSize, MostHeldOut),
            report,
            cancellation
        );
        model.Precision.MatmulDtype = null;
    }

    /// <summary>Mean cross-entropy of the targets' tokens, nats a token.</summary>
    /// <param name="model">The model.</param>
    /// <param name="pairs">At least one.</param>
    /// <param name="blockSize">Longest source and target.</param>
    /// <param name="batchSize">Pairs a pass.</param>
    /// <param name="maxPairs">Most pairs to use, the first ones.</param>
    public static double CrossEntropy(
        EncoderDecoderLM model,
        IReadOnlyList<SourceTarget> pairs,
        int blockSize,
        int batchSize,
        int maxPairs = int.MaxValue
    )
    {
        using var _ = no_grad();
        var (sum, tokens) = (0.0, 0L);
        foreach (var batch in pairs.Take(maxPairs).Chunk(batchSize))
        {
            using var scope = NewDisposeScope();
            var logprobs = Logprobs(model, batch, blockSize);
            sum -= logprobs.Values.sum().ToNumber();
            tokens += logprobs.Values.size(0);
        }
        return sum / tokens;
    }

    private static (double, long) Backward(
        EncoderDecoderLM model,
        IReadOnlyList<SourceTarget> train,
        EpochOrder order,
        SupervisedOptions options,
        int step
    )
    {
        var batch = Enumerable.Range(0, options.BatchSize).Select(row => train[order[(ulong)step * (ulong)options.BatchSize + (ulong)row]]);
        var logprobs = Logprobs(model, [.. batch], options.BlockSize);
        var tokens = logprobs.Values.size(0);
        logprobs.Backward(logprobs.Values.Full(-1.0 / tokens));
        return (-logprobs.Values.mean().ToNumber(), tokens);
    }

    private static TokenLogprobs Logprobs(EncoderDecoderLM model, SourceTarget[] batch, int blockSize)
    {
        int[][] targets = [.. batch.Select(pair => pair.Target[..Math.Min(blockSize, pair.Target.Length)])];
        var time = targets.Max(target => target.Length);
        var inputs = new long[targets.Length * time];
        var (positions, tokens) = (new List<long>(), new List<long>());
        foreach (var (row, target) in targets.Index())
            for (var t = 0; t < target.Length; t++)
            {
                inputs[row * time + t] = t == 0 ? model.DecoderStartTokenId : target[t - 1];
                positions.Add(row * time + t);
                tokens.Add(target[t]);
            }
        var device = model.parameters().First().device;
        var hidden = model.Hidden(
            model.Input(
                tensor(inputs, [targets.Length, time], device: device),
                [.. batch.Select(pair => pair.Source[^Math.Min(blockSize, pair.Source.Length)..])]
            )
        );
        // The head's rows are the dear part: padding needs none.
        var logits = model.Head(hidden.view(-1, model.HiddenSize).index_select(0, tensor(positions.ToArray(), device: device)));
        return TokenLogprobs.FromLogits(logits, tensor(tokens.ToArray(), device: device), withEntropy: false);
    }
}
