using System.Diagnostics;
using TorchSharp;
using TorchSharp.Modules;
using AdamW = DfPO.Learner.Optimisation.AdamW;
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
        var (decayed, plain) = Split(model);
        var schedule = new TrainingSchedule(options.LearningRate, options.WarmupSteps, options.Steps);
        using var optimizer = new AdamW(decayed.Concat(plain), options.LearningRate, beta2: 0.95, weightDecay: 0);
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
            optimizer.LearningRate = schedule.At(step);
            var (value, batchTokens) = loss(step);
            value.backward();
            nn.utils.clip_grad_norm_(model.parameters(), options.MaxGradNorm);
            Decay(decayed, optimizer.LearningRate * options.WeightDecay);
            optimizer.Step();
            optimizer.ZeroGrad();
            tokens += batchTokens;
            var done = step + 1;
            var evaluated = done % options.EvaluateEvery == 0 || done == options.Steps;
            if (evaluated || done % ReportEvery == 0)
                report(new TrainingProgress(done, options.Steps, value.item<float>(), optimizer.LearningRate, tokens / clock.Elapsed.TotalSeconds, evaluated ? evaluate() : null));
            if (evaluated)
                TrainerState.Save(checkpoint, model, optimizer, done, options);
        }
    }

    /// <summary>Matrices decay; biases, norms and other vectors do not.</summary>
    private static ((string, Parameter)[] Decayed, (string, Parameter)[] Plain) Split(nn.Module model)
    {
        var parameters = model.named_parameters().Select(p => (p.name, p.parameter)).ToArray();
        return ([.. parameters.Where(p => p.parameter.dim() > 1)], [.. parameters.Where(p => p.parameter.dim() <= 1)]);
    }

    private static void Decay((string, Parameter Value)[] parameters, double amount)
    {
        if (amount == 0)
            return;
        using var _ = no_grad();
        foreach (var (_, value) in parameters)
            value.mul_(1 - amount);
    }
}
