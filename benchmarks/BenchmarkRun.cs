using System.Text.Json.Nodes;
using DfPO.Models;
using DfPO.Models.Devices;
using DfPO.Models.Gpt2;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Benchmarks;

/// <summary>Runs the parts that were asked for.</summary>
internal static class BenchmarkRun
{
    private const string DefaultCheckpoint = "models/imdb-tiny/policy";

    /// <summary>Parts that run alone and only when named, most of them about processes rather than models.</summary>
    private static readonly (string Name, Action<BenchmarkOptions> Run)[] s_clusterParts =
    [
        (
            "weights",
            options =>
            {
                using var model = Gpt2Small(ScalarType.Float32);
                WeightsBenchmark.Run(model, options.Trials);
            }
        ),
        ("architectures", ArchitectureBenchmark.Run),
        ("adapters", ArchitectureBenchmark.Adapters),
        ("iteration", IterationBenchmark.Run),
        ("messages", _ => MessageBenchmark.Run()),
        ("scaling", _ => ScalingBenchmark.Run()),
        ("faults", options => FaultRounds.Run(options.Rounds, options.Seed)),
    ];

    public static int Execute(BenchmarkOptions options)
    {
        try
        {
            // Read first: a file that is not there should not be noticed after an hour.
            var baseline = options.Vs is null ? null : Baseline.Load(options.Vs);
            var named = s_clusterParts.Where(part => options.Only.Contains(part.Name)).ToArray();
            foreach (var part in named)
                part.Run(options);
            if (named.Length == 0)
                Models(options);
            if (options.Json is { } file)
                Report.Sitting().Save(file);
            return baseline is not null && Report.Against(baseline) > 0 ? 1 : 0;
        }
        catch (DfpoException e)
        {
            Console.Error.WriteLine($"{e.Code}: {e.Message}");
            return 1;
        }
    }

    private static void Models(BenchmarkOptions options)
    {
        ScalarType[] dtypes = [.. options.Dtypes.Select(TorchDevices.ParseDtype)];
        var limits = MachineLimits.Measure(dtypes, options.Trials);
        Report.Line("machine", null, null, "threads", $"{get_num_threads()}");
        Report.Line("machine", null, null, "memory", $"{limits.BytesPerSecond / 1e9:f1} GB/s read");
        foreach (var (dtype, rate) in limits.FlopsPerSecond)
            Report.Line("machine", dtype, null, "matmul", $"{rate / 1e9:f0} GFLOP/s");
        Measure("gpt2-124m (random)", dtype => Gpt2Small(dtype), dtypes, options, limits);
        Measure("smollm2-135m (random)", SmolLM2, dtypes, options, limits);
        var folder = options.Checkpoint ?? (Directory.Exists(DefaultCheckpoint) ? DefaultCheckpoint : null);
        if (folder is not null)
            Measure(folder, dtype => PretrainedModels.LoadCausalLM(folder, dtype: dtype), dtypes, options, limits);
        if (options.Wants("orchestration"))
            OrchestrationBenchmark.Run();
        Report.PeakMemory();
    }

    private static void Measure(
        string name,
        Func<ScalarType, CausalLM> create,
        ScalarType[] dtypes,
        BenchmarkOptions options,
        MachineLimits limits
    )
    {
        if (new[] { "prefill", "decode", "masked", "scoring" }.Any(options.Wants))
        {
            foreach (var dtype in dtypes)
            {
                using var model = create(dtype);
                using var reference = options.Wants("masked") ? create(dtype) : null;
                new GenerationBenchmark(name, model, reference ?? model, dtype, options, limits).Run();
            }
        }
        if (!options.Wants("training"))
            return;
        foreach (var dtype in dtypes)
        {
            using var model = create(ScalarType.Float32);
            TrainingBenchmark.Run(name, model, dtype, options.Trials);
        }
    }

    /// <summary>The shape of SmolLM2-135M, a Llama with three heads of queries to one of keys.</summary>
    internal static CausalLM SmolLM2(ScalarType dtype)
    {
        var model = (CausalLM)
            LanguageModel.Create(
                ModelConfig.FromJson(
                    new JsonObject
                    {
                        ["model_type"] = "llama",
                        ["vocab_size"] = 49152,
                        ["max_position_embeddings"] = 8192,
                        ["hidden_size"] = 576,
                        ["intermediate_size"] = 1536,
                        ["num_hidden_layers"] = 30,
                        ["num_attention_heads"] = 9,
                        ["num_key_value_heads"] = 3,
                        ["rms_norm_eps"] = 1e-5,
                        ["rope_theta"] = 100000,
                        ["tie_word_embeddings"] = true,
                    },
                    "config.json"
                ),
                CPU,
                dtype
            );
        model.Initialise(1);
        return model;
    }

    private static Gpt2LMHeadModel Gpt2Small(ScalarType dtype)
    {
        var model = new Gpt2LMHeadModel(
            new Gpt2Config
            {
                VocabSize = 50257,
                NPositions = 1024,
                NEmbd = 768,
                NLayer = 12,
                NHead = 12,
            },
            CPU,
            dtype
        );
        model.Initialise(1);
        return model;
    }
}
