using DfPO.Learner.Optimisation;
using DfPO.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Benchmarks;

/// <summary>One optimiser step on 16 sequences of 112 tokens, loss on the 48 tokens of the continuations.</summary>
internal static class TrainingBenchmark
{
    public static void Run(string name, CausalLM model, ScalarType matmul, int trials)
    {
        const int Batch = 16;
        const int Time = BenchmarkOptions.PromptTokens + BenchmarkOptions.NewTokens;
        model.Precision.MatmulDtype = matmul == ScalarType.Float32 ? null : matmul;
        using var optimiser = new AdamW([new ParameterGroup(model.named_parameters().Select(p => (p.name, p.parameter)), 1e-5, 0)]);
        using var ids = randint(model.VocabularySize, [Batch, Time], ScalarType.Int64);
        var timing = Timing.Of(trials, () =>
        {
            using var scope = NewDisposeScope();
            model.zero_grad();
            var states = model.Hidden(ids).narrow(1, BenchmarkOptions.PromptTokens - 1, BenchmarkOptions.NewTokens);
            var logits = model.Head(states).to(ScalarType.Float32).reshape(-1, model.VocabularySize);
            var targets = ids.narrow(1, BenchmarkOptions.PromptTokens, BenchmarkOptions.NewTokens).reshape(-1);
            nn.functional.cross_entropy(logits, targets).backward();
            nn.utils.clip_grad_norm_(model.parameters(), 1.0);
            optimiser.Step();
        });
        Report.Measured(name, matmul, Batch, "training step", timing, null, Figure.Seconds, $"{Batch * Time / timing.Median:f0} tokens/s");
    }
}
