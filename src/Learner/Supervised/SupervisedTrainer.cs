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
    /// <param name="backward">Adds the gradient of a step's loss to the parameters; loss and tokens of its batch, which depends on the
    /// step's number alone, so that a resumed run sees the same data.</param>
    /// <param name="evaluate">Held-out figure.</param>
    /// <param name="report">Receives progress.</param>
    /// <param name="cancellation">Ends after the step in hand, with a checkpoint.</param>
    public static void Run(
        nn.Module model,
        SupervisedOptions options,
        string checkpoint,
        Func<int, (double Loss, long Tokens)> backward,
        Func<double> evaluate,
        Action<TrainingProgress> report,
        CancellationToken cancellation
    )
    {
        var schedule = new TrainingSchedule(ScheduleKind.Cosine, options.LearningRate, options.WarmupSteps, options.Steps, MinRatio: 0.1);
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
            var (loss, batchTokens) = backward(step);
            nn.utils.clip_grad_norm_(model.parameters(), options.MaxGradNorm);
            optimizer.Step();
            optimizer.ZeroGrad();
            tokens += batchTokens;
            var done = step + 1;
            var evaluated = done % options.EvaluateEvery == 0 || done == options.Steps;
            if (evaluated || done % ReportEvery == 0)
                report(
                    new TrainingProgress(
                        done,
                        options.Steps,
                        loss,
                        learningRate,
                        tokens / clock.Elapsed.TotalSeconds,
                        evaluated ? evaluate() : null
                    )
                );
            if (evaluated)
                TrainerState.Save(checkpoint, model, optimizer, done, options);
        }
    }
}
