using DfPO.Models;
using DfPO.Models.Policies;
using DfPO.Rollout;
using DfPO.Rollout.Generation;
using DfPO.Rollout.Scoring;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Benchmarks;

/// <summary>Prefill, decode, masked decode and scoring of one model in one dtype.</summary>
internal sealed class GenerationBenchmark(
    string name,
    CausalLM model,
    CausalLM reference,
    ScalarType dtype,
    BenchmarkOptions options,
    MachineLimits limits
)
{
    public void Run()
    {
        foreach (var batch in options.Batches)
        {
            if (options.Wants("prefill") || options.Wants("decode") || options.Wants("masked"))
                Generation(batch);
        }
        if (options.Wants("scoring"))
            Scoring();
    }

    private void Generation(int batch)
    {
        using var spans = new SpanClock();
        var engine = new GenerationEngine(model, null, null);
        var prefill = double.MaxValue;
        var decode = double.MaxValue;
        var cpu = double.MaxValue;
        void Measure(GenerationEngine with, DecodingPolicy policy)
        {
            (prefill, decode, cpu) = (double.MaxValue, double.MaxValue, double.MaxValue);
            for (var trial = 0; trial <= options.Trials; trial++)
            {
                with.Generate(Requests(batch), new() { MaxNewTokens = BenchmarkOptions.NewTokens, Policy = policy });
                if (trial == 0)
                    continue; // copies of the weights are made, code is compiled
                prefill = Math.Min(prefill, spans.Prefill);
                decode = Math.Min(decode, spans.Decode);
                cpu = Math.Min(cpu, spans.DecodeCpu);
            }
        }
        Measure(engine, DecodingPolicy.Policy);
        var (promptSeconds, decodeSeconds, decodeCpu) = (prefill, decode, cpu);
        // Every token after the first costs a step; the first comes with the prompts.
        var steps = BenchmarkOptions.NewTokens - 1;
        var stepSeconds = decodeSeconds / steps;
        var rate = batch * steps / decodeSeconds;
        var bytes = model.parameters().Sum(p => p.numel()) * (dtype == ScalarType.BFloat16 ? 2.0 : 4.0);
        var flops = 2.0 * batch * model.parameters().Sum(p => p.numel());
        if (options.Wants("prefill"))
            Report.Line(name, dtype, batch, "prefill", $"{batch * BenchmarkOptions.PromptTokens / promptSeconds:f0} tokens/s");
        if (options.Wants("decode"))
        {
            Report.Line(
                name,
                dtype,
                batch,
                "decode",
                $"{rate:f0} tokens/s, {1000 * stepSeconds:f1} ms a step, {1000 * decodeCpu / steps:f1} ms of processor time: "
                    + $"{bytes / stepSeconds / limits.BytesPerSecond:p0} of the memory limit, {flops / stepSeconds / limits.FlopsPerSecond[dtype]:p0} of the matmul limit"
            );
            Report.Line(name, dtype, batch, "sampling", $"{SamplingSeconds(batch) / stepSeconds:p1} of a step");
        }
        if (!options.Wants("masked"))
            return;
        Measure(new GenerationEngine(model, reference, null), DecodingPolicy.Negative);
        Report.Line(
            name,
            dtype,
            batch,
            "masked decode",
            $"{batch * steps / decode:f0} tokens/s, {decode / decodeSeconds:f2} times one model, {cpu / decodeCpu:f2} by processor time"
        );
    }

    /// <summary>A step's draws alone, on logits of the model's shape and dtype.</summary>
    private double SamplingSeconds(int batch)
    {
        using var logits = randn(batch, model.VocabularySize).to(dtype);
        return MachineLimits.Best(3 * options.Trials, () => SamplingProbe.Draw(logits, batch));
    }

    private void Scoring()
    {
        const int Batch = 16;
        (int[], int[])[] sequences =
        [
            .. Requests(Batch)
                .Select(r =>
                    (r.PromptTokens, Enumerable.Range(0, BenchmarkOptions.NewTokens).Select(i => i * 31 % model.VocabularySize).ToArray())
                ),
        ];
        var seconds = MachineLimits.Best(options.Trials, () => SequenceScorer.Logprobs(model, sequences));
        Report.Line(
            name,
            dtype,
            Batch,
            "scoring",
            $"{Batch * (BenchmarkOptions.PromptTokens + BenchmarkOptions.NewTokens) / seconds:f0} tokens/s"
        );
    }

    private GenerationRequest[] Requests(int batch) =>
        [
            .. Enumerable
                .Range(0, batch)
                .Select(row => new GenerationRequest(
                    [.. Enumerable.Range(0, BenchmarkOptions.PromptTokens).Select(i => (row * 977 + i * 131 + 7) % model.VocabularySize)],
                    (ulong)row
                )),
        ];
}
