using System.Text.Json.Nodes;
using DfPO.Learner.Optimisation;
using DfPO.Models;
using DfPO.Models.Classifiers;
using DfPO.Models.Devices;
using DfPO.Models.Gpt2;
using DfPO.Models.Layers;
using DfPO.Models.Lora;
using DfPO.Models.Policies;
using DfPO.Models.T5;
using DfPO.Rollout;
using DfPO.Rollout.Generation;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Benchmarks;

/// <summary>
/// Speed of the architectures beside GPT-2 on random weights, of a training step with adapters beside a full one, and of masked decoding
/// with adapters.
/// </summary>
internal static class ArchitectureBenchmark
{
    private const int Batch = 16;
    private const int Beams = 5;
    private static readonly Gpt2Config s_gpt2 = new()
    {
        VocabSize = 50257,
        NPositions = 1024,
        NEmbd = 768,
        NLayer = 12,
        NHead = 12,
    };

    public static void Run(BenchmarkOptions options)
    {
        foreach (var dtype in options.Dtypes.Select(TorchDevices.ParseDtype))
        {
            Generation(
                "t5-small (random)",
                new T5ForConditionalGeneration(
                    new T5Config
                    {
                        VocabSize = 32128,
                        DModel = 512,
                        DKv = 64,
                        DFf = 2048,
                        NumHeads = 8,
                        NumLayers = 6,
                        NumDecoderLayers = 6,
                        PadTokenId = 0,
                    },
                    CPU,
                    dtype
                ),
                dtype,
                options.Trials
            );
            Generation(
                "gptj 8 x 512 (random)",
                Decoder(
                    dtype,
                    new JsonObject
                    {
                        ["model_type"] = "gptj",
                        ["vocab_size"] = 50400,
                        ["n_positions"] = 512,
                        ["n_embd"] = 512,
                        ["n_layer"] = 8,
                        ["n_head"] = 8,
                        ["rotary_dim"] = 32,
                    }
                ),
                dtype,
                options.Trials
            );
            Generation("llama 8 x 512 (random)", Llama(dtype), dtype, options.Trials);
            Classifier(dtype, options.Trials);
            Training(dtype, options.Trials);
        }
        Report.PeakMemory();
    }

    /// <summary>
    /// Masked decoding of a policy of adapters beside its reference's weights, and beside a reference with weights of its own.
    /// </summary>
    public static void Adapters(BenchmarkOptions options)
    {
        foreach (var dtype in options.Dtypes.Select(TorchDevices.ParseDtype))
        {
            MaskedAdapters("llama 8 x 512 (random)", () => Llama(dtype), dtype, options.Trials);
            MaskedAdapters("gpt2-124m (random)", () => new Gpt2LMHeadModel(s_gpt2, CPU, dtype), dtype, options.Trials);
        }
        Report.PeakMemory();
    }

    private static void Generation(string name, LanguageModel owned, ScalarType dtype, int trials)
    {
        using var model = owned;
        model.Initialise(1);
        model.eval();
        using var spans = new SpanClock();
        var engine = new GenerationEngine(model, null, null);
        var requests = Requests(model);
        List<double> prefills = [],
            decodes = [];
        var all = Timing.Of(
            trials,
            () =>
            {
                engine.Generate(requests, new() { MaxNewTokens = BenchmarkOptions.NewTokens });
                prefills.Add(spans.Prefill);
                decodes.Add(spans.Decode);
            }
        );
        Report.Measured(
            name,
            dtype,
            Batch,
            model.Config.IsEncoderDecoder ? "encode" : "prefill",
            all.Part(prefills.Skip(1)),
            Batch * BenchmarkOptions.PromptTokens,
            "tokens/s"
        );
        var steps = BenchmarkOptions.NewTokens - 1;
        Report.Measured(name, dtype, Batch, "decode", all.Part(decodes.Skip(1)), Batch * steps, "tokens/s");
        var beams = Timing.Of(
            trials,
            () => engine.Generate(requests, new() { MaxNewTokens = BenchmarkOptions.NewTokens, NumBeams = Beams })
        );
        Report.Measured(name, dtype, Batch, $"{Beams} beams", beams, Batch * BenchmarkOptions.NewTokens, "tokens/s", "with the prompts");
    }

    private static void MaskedAdapters(string name, Func<LanguageModel> create, ScalarType dtype, int trials)
    {
        using LanguageModel reference = create(),
            apart = create();
        reference.Initialise(1);
        apart.Initialise(1);
        using var policy = SharedWeights.Twin(reference);
        using var adapters = LoraAdapters.Create(policy, new LoraOptions { Rank = 16 }, 1);
        adapters.to(dtype);
        using (no_grad())
        {
            foreach (
                var (_, parameter) in adapters.named_parameters().Where(p => p.name.EndsWith("lora_B.weight", StringComparison.Ordinal))
            )
                nn.init.normal_(parameter, 0, 0.02);
        }
        using var spans = new SpanClock();
        (string How, GenerationEngine Engine)[] engines =
        [
            ("one base product", new(policy, reference, null)),
            ("two", new(policy, apart, null)),
        ];
        List<double>[] Empty() => [.. engines.Select(_ => new List<double>())];
        var (prefill, decode, prefillCpu, decodeCpu) = (Empty(), Empty(), Empty(), Empty());
        var load = MachineLoad.Start();
        // In turn, so that what else the machine does meets both.
        for (var trial = 0; trial <= trials; trial++)
        {
            for (var i = 0; i < engines.Length; i++)
            {
                engines[i]
                    .Engine.Generate(
                        Requests(policy),
                        new() { MaxNewTokens = BenchmarkOptions.NewTokens, Policy = DecodingPolicy.Negative }
                    );
                prefill[i].Add(spans.Prefill);
                decode[i].Add(spans.Decode);
                prefillCpu[i].Add(spans.PrefillCpu);
                decodeCpu[i].Add(spans.DecodeCpu);
            }
        }
        var foreign = load.Foreign();
        Timing Counted(List<double> seconds) => new([.. seconds.Skip(1)], foreign);
        for (var i = 0; i < engines.Length; i++)
        {
            void Line(string what, int tokens, List<double> seconds, List<double> cpu) =>
                Report.Measured(
                    name,
                    dtype,
                    Batch,
                    $"LoRA masked {what}, {engines[i].How}",
                    Counted(seconds),
                    Batch * tokens,
                    "tokens/s",
                    $"{Batch * tokens / Counted(cpu).Median:f0} a CPU second"
                );
            Line("prefill", BenchmarkOptions.PromptTokens, prefill[i], prefillCpu[i]);
            Line("decode", BenchmarkOptions.NewTokens - 1, decode[i], decodeCpu[i]);
        }
    }

    private static GenerationRequest[] Requests(LanguageModel model) =>
        [
            .. Enumerable
                .Range(0, Batch)
                .Select(row => new GenerationRequest(
                    [
                        .. Enumerable
                            .Range(0, BenchmarkOptions.PromptTokens)
                            .Select(i => ((row * 977) + (i * 131) + 7) % model.VocabularySize),
                    ],
                    (ulong)row
                )),
        ];

    private static LanguageModel Llama(ScalarType dtype) =>
        Decoder(
            dtype,
            new JsonObject
            {
                ["model_type"] = "llama",
                ["vocab_size"] = 32000,
                ["max_position_embeddings"] = 512,
                ["hidden_size"] = 512,
                ["intermediate_size"] = 1376,
                ["num_hidden_layers"] = 8,
                ["num_attention_heads"] = 8,
                ["num_key_value_heads"] = 4,
                ["rms_norm_eps"] = 1e-6,
            }
        );

    private static LanguageModel Decoder(ScalarType dtype, JsonObject config) =>
        LanguageModel.Create(ModelConfig.FromJson(config, "config.json"), CPU, dtype);

    private static void Classifier(ScalarType dtype, int trials)
    {
        using var _ = no_grad();
        using var model = EncoderClassifier.Create(
            new EncoderConfig
            {
                ModelType = "distilbert",
                VocabSize = 30522,
                HiddenSize = 768,
                NumHiddenLayers = 6,
                NumAttentionHeads = 12,
                IntermediateSize = 3072,
                MaxPositionEmbeddings = 512,
                Labels = ["neg", "pos"],
            },
            CPU,
            dtype
        );
        model.Initialise(1);
        using var ids = randint(model.VocabularySize, [Batch, 128], ScalarType.Int64);
        using var lengths = ones([Batch], ScalarType.Int64).Fill(128);
        var timing = Timing.Of(trials, () => model.Logits(ids, lengths).Dispose());
        Report.Measured("distilbert (random)", dtype, Batch, "classify", timing, Batch, "texts/s", "of 128 tokens");
    }

    /// <summary>A step of the 124M GPT-2 on a quarter of the sequences of <see cref="TrainingBenchmark"/>, whose step it is.</summary>
    private static void Training(ScalarType matmul, int trials)
    {
        foreach (var rank in new[] { 0, 16 })
        {
            using var model = new Gpt2LMHeadModel(s_gpt2);
            model.Initialise(1);
            model.Precision.MatmulDtype = matmul == ScalarType.Float32 ? null : matmul;
            using var adapters =
                rank == 0
                    ? null
                    : LoraAdapters.Create(model, new LoraOptions { Rank = rank, TargetModules = ["c_attn", "c_fc", "c_proj"] }, 1);
            foreach (var recompute in new[] { false, true })
            {
                model.Precision.RecomputeBlocks = recompute;
                Report.Measured(
                    $"gpt2-124m {(rank == 0 ? "full" : $"lora {rank}")}{(recompute ? ", recomputed" : "")}",
                    matmul,
                    4,
                    "training step",
                    Step(model, trials),
                    null,
                    Figure.Seconds,
                    $"{model.TrainedParameters().Sum(p => p.parameter.numel())} parameters learnt"
                );
            }
        }
    }

    private static Timing Step(Gpt2LMHeadModel model, int trials)
    {
        const int Time = BenchmarkOptions.PromptTokens + BenchmarkOptions.NewTokens;
        using var optimiser = new AdamW([new ParameterGroup(model.TrainedParameters(), 1e-5, 0)]);
        using var ids = randint(model.VocabularySize, [4, Time], ScalarType.Int64);
        return Timing.Of(trials, () =>
        {
            using var scope = NewDisposeScope();
            var logits = model
                .Head(model.Hidden(ids).narrow(1, BenchmarkOptions.PromptTokens - 1, BenchmarkOptions.NewTokens))
                .to(ScalarType.Float32)
                .reshape(-1, model.VocabularySize);
            nn.functional.cross_entropy(logits, ids.narrow(1, BenchmarkOptions.PromptTokens, BenchmarkOptions.NewTokens).reshape(-1))
                .backward();
            nn.utils.clip_grad_norm_(model.TrainedParameters().Select(p => p.parameter), 1.0);
            optimiser.Step();
            optimiser.ZeroGrad();
        });
    }
}
