using System.Text.Json.Nodes;
using DfPO.Models.Checkpoints;
using DfPO.Models.Layers;
using DfPO.Models.Tests.Support;
using TorchSharp;
using static DfPO.Models.Tests.Support.TensorAssert;
using static TorchSharp.torch;

namespace DfPO.Models.Tests.Architectures;

/// <summary>What must hold of every architecture, shown on small random models.</summary>
public sealed class ArchitectureTests : IDisposable
{
    private readonly TestFolder _folder = new();
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly IDisposable _noGrad = no_grad();

    public static TheoryData<string> All => TinyModels.All;

    public static TheoryData<string> Causal => TinyModels.Causal;

    public static TheoryData<string> Cached => TinyModels.Cached;

    public void Dispose()
    {
        _noGrad.Dispose();
        _scope.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [MemberData(nameof(Cached))]
    public void PiecesThroughTheCacheEqualOneWholePassUnderLeftPadding(string name)
    {
        using var model = (CausalLM)TinyModels.Create(name);
        Tensor ids = Ids(3, 11),
            mask = ones_like(ids);
        long[] padding = [0, 2, 5];
        for (var row = 0; row < 3; row++)
            mask[row].narrow(0, 0, padding[row]).zero_();
        using KeyValueCache padded = model.CreateCache(3, 11),
            plain = model.CreateCache(3, 11);

        var (withMask, without) = (new List<Tensor>(), new List<Tensor>());
        var start = 0L;
        foreach (var length in new[] { 6L, 1, 3, 1 })
        {
            withMask.Add(model.Logits(ids.narrow(1, start, length), mask.narrow(1, 0, start + length), padded));
            without.Add(model.Logits(ids.narrow(1, start, length), cache: plain));
            start += length;
        }

        Close(model.Logits(ids), cat(without, 1), 5e-5);
        for (var row = 0; row < 3; row++)
        {
            var length = 11 - padding[row];
            Close(
                model.Logits(ids.narrow(0, row, 1).narrow(1, padding[row], length)),
                cat(withMask, 1).narrow(0, row, 1).narrow(1, padding[row], length),
                5e-5
            );
        }
    }

    [Theory]
    [MemberData(nameof(Cached))]
    public void ASequenceLongerThanThePositionsIsRefused(string name)
    {
        using var model = (CausalLM)TinyModels.Create(name);
        using var cache = model.CreateCache(1, 30);
        model.Logits(Ids(1, 24), cache: cache);

        Assert.Equal("model/too-long", CodeOf(() => model.Logits(Ids(1, 25)), "25", "24"));
        Assert.Equal("model/too-long", CodeOf(() => model.Logits(Ids(1, 1), cache: cache), "25", "24"));
    }

    [Theory]
    [MemberData(nameof(All))]
    public void DecodingGivesTheLogitsOfATeacherForcedPassWhateverRowsStay(string name)
    {
        using var model = TinyModels.Create(name);
        using var decoder = model.CreateDecoder();
        int[][] prompts =
        [
            [4, 8, 15],
            [16],
            [23, 12, 7, 1, 9],
        ];
        int[][] texts =
        [
            [],
            [],
            [],
        ];
        using var session = decoder.Open(prompts, 7);
        var logits = session.Prefill();
        for (var step = 0; step < 6; step++)
        {
            var tokens = texts.Select((_, row) => (row * 17 + step * 5 + 2) % TinyModels.Vocabulary).ToArray();
            texts = [.. texts.Zip(tokens, (text, token) => (int[])[.. text, token])];
            Check();
            logits = session.Step(tokens);
            if (step == 2)
                Keep(2, 0, 2, 2); // as a beam search does
            else if (step == 3)
                Keep(3, 1, 2);
            else if (step == 4)
                Keep(1);
        }

        void Keep(params int[] rows)
        {
            session.Select(rows);
            logits = logits.index_select(0, tensor(Array.ConvertAll(rows, row => (long)row)));
            (prompts, texts) = ([.. rows.Select(row => prompts[row])], [.. rows.Select(row => texts[row])]);
        }

        void Check()
        {
            Assert.Equal([texts.Length, TinyModels.Vocabulary], logits.shape);
            for (var row = 0; row < texts.Length; row++)
            {
                var batch = TeacherForcedBatch.Create(model, [(prompts[row], texts[row])], CPU);
                var expected = model.Head(batch.SelectStates(model.Hidden(batch.Input)))[-1];
                var scale = expected.abs().max().item<float>();
                Close(expected / scale, logits[row] / scale, 1e-4);
            }
        }
    }

    [Theory]
    [MemberData(nameof(All))]
    public void PlainAttentionGivesWhatTheFusedKernelGivesAndIsTheModelsOwn(string name)
    {
        using LanguageModel model = TinyModels.Create(name),
            other = TinyModels.Create(name);
        (int[], int[])[] sequences = [([1, 2, 3], [4, 5, 6]), ([6], [7, 8, 9, 10])];
        Tensor Logits(LanguageModel of)
        {
            var batch = TeacherForcedBatch.Create(of, sequences, CPU);
            return of.Head(batch.SelectStates(of.Hidden(batch.Input)));
        }
        var fused = Logits(model);

        model.Precision.PlainAttention = true;

        Close(fused, Logits(model), 1e-5);
        Close(fused, Logits(other), 0);
    }

    [Theory]
    [MemberData(nameof(All))]
    public void ABatchOfSequencesOfAnyLengthsGivesWhatEachAloneGives(string name)
    {
        using var model = TinyModels.Create(name);
        using var value = new ValueModel(TinyModels.Create(name, seed: 2), heads: 2);
        foreach (
            var (parameter, number) in value.named_parameters().Where(p => p.name.StartsWith("v_head")).Select((p, i) => (p.parameter, i))
        )
            parameter.fill_(0.1f * (number + 1));
        (int[], int[])[] sequences = [([1, 2, 3], [4, 5]), ([6], [7, 8, 9, 10]), ([11, 12, 13, 14, 15, 16], [17])];

        var batch = TeacherForcedBatch.Create(model, sequences, CPU);
        var logits = model.Head(batch.SelectStates(model.Hidden(batch.Input)));
        var values = batch.SelectStates(value.Values(batch.Input, tensor(new[] { 0L, 1, 0 })).unsqueeze(2)).squeeze(1);

        Assert.Equal([7L], values.shape);
        Close(tensor(new[] { 4L, 5, 7, 8, 9, 10, 17 }), batch.Actions, 0);
        var start = 0L;
        foreach (var (sequence, row) in sequences.Select((s, i) => (s, i)))
        {
            var alone = TeacherForcedBatch.Create(model, [sequence], CPU);
            var count = sequence.Item2.Length;
            Close(model.Head(alone.SelectStates(model.Hidden(alone.Input))), logits.narrow(0, start, count), 1e-4);
            Close(
                alone.SelectStates(value.Values(alone.Input, tensor(new[] { row % 2L })).unsqueeze(2)).squeeze(1),
                values.narrow(0, start, count),
                1e-4
            );
            start += count;
        }
    }

    [Theory]
    [MemberData(nameof(All))]
    public void WhatIsSavedComesBackBitForBitWithItsConfiguration(string name)
    {
        using var model = TinyModels.Create(name);

        PretrainedModels.Save(_folder.Path, model, ScalarType.Float32);
        using var again = PretrainedModels.LoadLanguageModel(_folder.Path);
        var config = PretrainedModels.ReadConfig(_folder.Path);

        Assert.Equal(model.GetType(), again.GetType());
        foreach (var ((nameBefore, before), (nameAfter, after)) in model.named_parameters().Zip(again.named_parameters()))
        {
            Assert.Equal(nameBefore, nameAfter);
            Same(before, after);
        }
        Assert.Equal(
            model.Config.ToJson(model.Architecture, "float32").ToJsonString(),
            again.Config.ToJson(again.Architecture, "float32").ToJsonString()
        );
        Assert.Equal(
            (model.VocabularySize, model.MaxPositions, model.HiddenSize),
            (config.VocabSize, config.MaxPositions, config.OutputSize)
        );
        var batch = TeacherForcedBatch.Create(model, [([1, 2, 3], [4, 5])], CPU);
        Same(model.Head(model.Hidden(batch.Input)), again.Head(again.Hidden(batch.Input)));
    }

    [Theory]
    [MemberData(nameof(All))]
    public void ParametersAreCountedFromTheConfigurationAlone(string name)
    {
        using var model = TinyModels.Create(name);

        Assert.Equal(model.parameters().Sum(p => p.numel()), model.Config.ParameterCount);
    }

    [Theory]
    [MemberData(nameof(All))]
    public void AModelMovesToAnotherDtypeWhole(string name)
    {
        using var model = TinyModels.Create(name);
        var batch = TeacherForcedBatch.Create(model, [([1, 2, 3], [4, 5])], CPU);
        var before = model.Head(model.Hidden(batch.Input));

        model.to(ScalarType.Float64);

        Assert.All(model.parameters(), parameter => Assert.Equal(ScalarType.Float64, parameter.dtype));
        var after = model.Head(model.Hidden(batch.Input));
        Assert.Equal(ScalarType.Float64, after.dtype);
        Close(before, after, 1e-4);
    }

    [Theory]
    [MemberData(nameof(All))]
    public void CopiesOfTiedWeightsAndConstantsInAFileAreNoSurplusButOtherTensorsAre(string name)
    {
        using var model = TinyModels.Create(name);
        PretrainedModels.Save(_folder.Path, model, ScalarType.Float32);
        var file = _folder["model.safetensors"];
        var tensors = model.state_dict().ToDictionary(p => p.Key, p => p.Value);
        var copied = model.Config.TieWordEmbeddings ? "lm_head.weight" : null;
        if (copied is not null)
            tensors[copied] = EmbeddingOf(tensors);
        foreach (
            var extra in new[]
            {
                "model.layers.0.self_attn.rotary_emb.inv_freq",
                "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight",
                "transformer.h.0.attn.masked_bias",
            }
        )
            tensors.TryAdd(extra, zeros(3));
        SafetensorsWriter.Write(file, tensors);

        PretrainedModels.LoadLanguageModel(_folder.Path).Dispose();

        if (copied is not null)
        {
            foreach (var other in new[] { EmbeddingOf(tensors).neg(), zeros(3) })
            {
                SafetensorsWriter.Write(file, new Dictionary<string, Tensor>(tensors) { [copied] = other });
                Assert.Equal(
                    "checkpoint/tied-copy",
                    CodeOf(() => PretrainedModels.LoadLanguageModel(_folder.Path), copied, "tie_word_embeddings")
                );
            }
        }

        SafetensorsWriter.Write(file, new Dictionary<string, Tensor>(tensors) { ["extra.weight"] = zeros(3) });
        Assert.Equal("checkpoint/unknown-tensor", CodeOf(() => PretrainedModels.LoadLanguageModel(_folder.Path), "extra.weight"));
        var lost = model.named_parameters().Last().name;
        SafetensorsWriter.Write(file, model.state_dict().Where(p => p.Key != lost).ToDictionary(p => p.Key, p => p.Value));
        Assert.Equal("checkpoint/missing-tensor", CodeOf(() => PretrainedModels.LoadLanguageModel(_folder.Path), lost));
    }

    [Theory]
    [MemberData(nameof(All))]
    public void PassesAndDecodingLeaveNoTensorBehind(string name)
    {
        using var model = TinyModels.Create(name);
        var batch = TeacherForcedBatch.Create(model, [([1, 2, 3], [4, 5]), ([6], [7, 8, 9])], CPU);
        Run();
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;

        Run();

        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);

        void Run()
        {
            // No scope here on purpose: what a pass returns is all that it leaves.
            using (var hidden = model.Hidden(batch.Input))
                model.Head(hidden).Dispose();
            using var decoder = model.CreateDecoder();
            using var session = decoder.Open(
                [
                    [1, 2],
                    [3],
                ],
                3
            );
            session.Prefill().Dispose();
            session.Step([4, 5]).Dispose();
            session.Select([1, 1, 0]);
            session.Step([4, 5, 6]).Dispose();
        }
    }

    [Theory]
    [InlineData("gptj", "rotary_dim", 7, "rotary_dim")]
    [InlineData("gptj", "rotary_dim", 14, "head size")]
    [InlineData("gptj", "n_head", 5, "n_head")]
    [InlineData("gptj", "rotary_dim", 0, "rotary_dim")]
    [InlineData("gptj", "tie_word_embeddings", true, "tie_word_embeddings")]
    [InlineData("llama", "num_key_value_heads", 4, "num_key_value_heads")]
    [InlineData("llama", "head_dim", 5, "even")]
    [InlineData("llama", "hidden_act", "swoosh", "swoosh")]
    [InlineData("llama", "rope_scaling", "yarn", "an object")]
    [InlineData("t5", "d_kv", 0, "d_kv")]
    [InlineData("t5", "relative_attention_num_buckets", 6, "relative_attention_num_buckets")]
    [InlineData("t5", "relative_attention_max_distance", 4, "relative_attention_max_distance")]
    [InlineData("t5", "decoder_start_token_id", 31, "decoder_start_token_id")]
    [InlineData("t5", "feed_forward_proj", "gated-swoosh", "swoosh")]
    public void AFieldThatMakesNoSenseIsNamed(string name, string field, object value, string word)
    {
        using (var model = TinyModels.Create(name))
            PretrainedModels.Save(_folder.Path, model, ScalarType.Float32);
        var json = HfConfigReader.ReadFile(_folder["config.json"]);
        json[field] = JsonValue.Create(value);
        _folder.Write("config.json", json.ToJsonString());

        Assert.Equal("config/field", CodeOf(() => PretrainedModels.LoadLanguageModel(_folder.Path), word));
    }

    [Fact]
    public void TheFirstOfSeveralEndTokensCountsAndAllAreKept()
    {
        using (var model = TinyModels.Create("llama"))
            PretrainedModels.Save(_folder.Path, model, ScalarType.Float32);
        var json = HfConfigReader.ReadFile(_folder["config.json"]);
        json["eos_token_id"] = new JsonArray(7, 9);
        json["rope_scaling"] = null;
        json["rope_parameters"] = new JsonObject
        {
            ["rope_theta"] = 500000.0,
            ["rope_type"] = "llama3",
            ["low_freq_factor"] = 1.0,
            ["high_freq_factor"] = 4.0,
            ["original_max_position_embeddings"] = 8192,
            ["factor"] = 32.0,
        };
        _folder.Write("config.json", json.ToJsonString());

        var config = PretrainedModels.ReadConfig(_folder.Path);

        Assert.Equal(7, config.EosTokenId);
        var saved = config.ToJson("LlamaForCausalLM", "float32");
        Assert.Equal("[7,9]", saved["eos_token_id"]!.ToJsonString());
        Assert.Equal(32, (double)saved["rope_parameters"]!["factor"]!);
    }

    [Fact]
    public void StretchedFrequenciesAreDividedWhereSlowAndKeptWhereFast()
    {
        var scaling = new Llama3Scaling(Factor: 8, LowFrequencyFactor: 1, HighFrequencyFactor: 4, Original: 8192);
        float Frequency(double periods) => (float)(periods * 2 * Math.PI / 8192);

        float[] stretched =
        [
            scaling.Stretched(Frequency(100)),
            scaling.Stretched(Frequency(4.001)),
            scaling.Stretched(Frequency(2.5)),
            scaling.Stretched(Frequency(0.999)),
            scaling.Stretched(Frequency(0.1)),
        ];

        float[] expected = [Frequency(100), Frequency(4.001), Frequency(2.5) * (0.5f / 8 + 0.5f), Frequency(0.999) / 8, Frequency(0.1) / 8];
        for (var i = 0; i < expected.Length; i++)
            Assert.Equal(expected[i], stretched[i], 1e-5f * expected[i]);
    }

    [Fact]
    public void AnEncoderDecoderModelWhereADecoderOnlyOneIsNeededIsRefused()
    {
        using (var model = TinyModels.Create("t5"))
            PretrainedModels.Save(_folder.Path, model, ScalarType.Float32);

        Assert.Equal("model/kind", CodeOf(() => PretrainedModels.LoadCausalLM(_folder.Path), "'t5'", _folder.Path));
        Assert.Equal("model/kind", CodeOf(() => PretrainedModels.LoadSequenceClassifier(_folder.Path), "'t5'", "decoder-only"));
    }

    private static Tensor EmbeddingOf(Dictionary<string, Tensor> tensors) =>
        tensors
            .First(pair =>
                new[] { "wte.weight", "embed_tokens.weight", "embed_in.weight", "shared.weight" }.Any(name =>
                    pair.Key.EndsWith(name, StringComparison.Ordinal)
                )
            )
            .Value;

    private static Tensor Ids(long batch, long time)
    {
        using var generator = new Generator(4);
        return randint(0, TinyModels.Vocabulary, [batch, time], ScalarType.Int64, generator: generator);
    }
}
