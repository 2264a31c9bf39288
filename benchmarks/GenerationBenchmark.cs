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
        var none = new Timing([]);
        var (prefill, decode, cpu) = (none, none, none);
        void Measure(GenerationEngine with, DecodingPolicy policy)
        {
            List<double> prefills = [],
                decodes = [],
                cpus = [];
            var all = Timing.Of(
                options.Trials,
                () =>
                {
                    with.Generate(Requests(batch), new() { MaxNewTokens = BenchmarkOptions.NewTokens, Policy = policy });
                    prefills.Add(spans.Prefill);
                    decodes.Add(spans.Decode);
                    cpus.Add(spans.DecodeCpu);
                }
            );
            // In the first one copies of the weights are made, and code is compiled.
            (prefill, decode, cpu) = (all.Part(prefills.Skip(1)), all.Part(decodes.Skip(1)), all.Part(cpus.Skip(1)));
        }
        Measure(engine, DecodingPolicy.Policy);
        var (decodeSeconds, decodeCpu) = (decode.Median, cpu.Median);
        // Every token after the first costs a step; the first comes with the prompts.
        var steps = BenchmarkOptions.NewTokens - 1;
        var stepSeconds = decodeSeconds / steps;
        var bytes = model.parameters().Sum(p => p.numel()) * (dtype == ScalarType.BFloat16 ? 2.0 : 4.0);
        var flops = 2.0 * batch * model.parameters().Sum(p => p.numel());
        if (options.Wants("prefill"))
            Report.Measured(name, dtype, batch, "prefill", prefill, batch * BenchmarkOptions.PromptTokens, "tokens/s");
        if (options.Wants("decode"))
        {
            Report.Measured(
                name,
                dtype,
                batch,
                "decode",
                decode,
                batch * steps,
                "tokens/s",
                $"{1000 * stepSeconds:f1} ms a step, {1000 * decodeCpu / steps:f1} ms of processor time: "
                    + $"{bytes / stepSeconds / limits.BytesPerSecond:p0} of the memory limit, {flops / stepSeconds / limits.FlopsPerSecond[dtype]:p0} of the matmul limit"
            );
            Report.Line(name, dtype, batch, "sampling", $"{SamplingSeconds(batch) / stepSeconds:p1} of a step");
        }
        if (!options.Wants("masked"))
            return;
        Measure(new GenerationEngine(model, reference, null), DecodingPolicy.Negative);
        Report.Measured(
            name,
            dtype,
            batch,
            "masked decode",
            decode,
            batch * steps,
            "tokens/s",
            $"{decode.Median / decodeSeconds:f2} times one model, {cpu.Median / decodeCpu:f2} by processor time"
        );
    }

    /// <summary>A step's draws alone, on logits of the model's shape and dtype.</summary>
    private double SamplingSeconds(int batch)
    {
        using var logits = randn(batch, model.VocabularySize).to(dtype);
        return Timing.Of(3 * options.Trials, () => SamplingProbe.Draw(logits, batch)).Median;
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
        Report.Measured(
            name,
            dtype,
            Batch,
            "scoring",
            Timing.Of(options.Trials, () => SequenceScorer.Logprobs(model, sequences)),
            Batch * (BenchmarkOptions.PromptTokens + BenchmarkOptions.NewTokens),
            "tokens/s"
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
