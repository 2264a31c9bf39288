using System.Diagnostics;
using DfPO.Learner.Optimisation;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Learner.Supervised;

/// <summary>The loop that language-model and classifier training share: schedule, clipping, evaluation, checkpoints, resume.</summary>
internal static class SupervisedTrainer
{
    private const int ReportEvery = 20;

    /// <param name="model">Trained in place.</param>
    /// <param name="options">Checked hyper-parameters.</param>
    /// <param name="checkpoint">Folder of the resumable state.</param>
    /// <param name="loss">Loss of the batch of a step, which depends on the step's number alone, so that a resumed run sees the same data; and its tokens.</param>
    /// <param name="evaluate">Held-out figure.</param>
    /// <param name="report">Receives progress.</param>
    /// <param name="cancellation">Ends after the step in hand, with a checkpoint.</param>
    public static void Run(nn.Module model, SupervisedOptions options, string checkpoint, Func<int, (Tensor Loss, long Tokens)> loss, Func<double> evaluate,
        Action<TrainingProgress> report, CancellationToken cancellation)
    {
        var schedule = new TrainingSchedule(options.LearningRate, options.WarmupSteps, options.Steps);
        using var optimizer = new AdamW(ParameterGroup.Split(model, "", options.LearningRate, options.WeightDecay), beta2: 0.95);
        var first = TrainerState.TryLoad(checkpoint, model, optimizer, options);
        var clock = Stopwatch.StartNew();
        var tokens = 0L;
        for (var step = first; step < options.Steps; step++)
        {
            if (cancellation.IsCancellationRequested)
            {
                TrainerState.Save(checkpoint, model, optimizer, step, options);
                cancellation.ThrowIfCancellationRequested();
            }
            using var scope = NewDisposeScope();
            var learningRate = schedule.At(step);
            optimizer.SetLearningRate(learningRate);
            var (value, batchTokens) = loss(step);
            value.backward();
            nn.utils.clip_grad_norm_(model.parameters(), options.MaxGradNorm);
            optimizer.Step();
            optimizer.ZeroGrad();
            tokens += batchTokens;
            var done = step + 1;
            var evaluated = done % options.EvaluateEvery == 0 || done == options.Steps;
            if (evaluated || done % ReportEvery == 0)
                report(new TrainingProgress(done, options.Steps, value.item<float>(), learningRate, tokens / clock.Elapsed.TotalSeconds, evaluated ? evaluate() : null));
            if (evaluated)
                TrainerState.Save(checkpoint, model, optimizer, done, options);
        }
    }
}
