using DfPO.Models.Gpt2;
using TorchSharp;
using static DfPO.Models.Tests.Support.TensorAssert;
using static TorchSharp.torch;

namespace DfPO.Models.Tests.Gpt2;

/// <summary>What must hold of any GPT-2, shown on small random ones.</summary>
public sealed class Gpt2BehaviourTests : IDisposable
{
    private static readonly Gpt2Config s_config = new()
    {
        VocabSize = 31,
        NPositions = 24,
        NEmbd = 24,
        NLayer = 3,
        NHead = 4,
        InitializerRange = 0.3,
        EosTokenId = 30,
    };
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly IDisposable _noGrad = no_grad();

    public void Dispose()
    {
        _noGrad.Dispose();
        _scope.Dispose();
    }

    [Theory]
    [InlineData(1, 1, 1, 1, 1)]
    [InlineData(5, 1, 1)]
    [InlineData(3, 4, 1, 2)]
    public void PiecesThroughTheCacheEqualOneWholePass(params int[] pieces)
    {
        foreach (
            var config in new[]
            {
                s_config,
                s_config with
                {
                    ScaleAttnByInverseLayerIdx = true,
                },
                s_config with
                {
                    ScaleAttnWeights = false,
                },
            }
        )
        {
            var model = Model(config);
            var ids = Ids(3, pieces.Sum());
            var mask = LeftPadding(ids, 0, 0, 0);
            using KeyValueCache unmasked = model.CreateCache(3, 12),
                masked = model.CreateCache(3, 12);

            var start = 0L;
            var (withoutMask, withMask) = (new List<Tensor>(), new List<Tensor>());
            foreach (var piece in pieces)
            {
                var part = ids.narrow(1, start, piece);
                withoutMask.Add(model.Logits(part, cache: unmasked));
                withMask.Add(model.Logits(part, mask.narrow(1, 0, start + piece), masked));
                start += piece;
            }

            Close(model.Logits(ids), cat(withoutMask, 1), 5e-5);
            Close(model.Logits(ids), cat(withMask, 1), 5e-5);
        }
    }

    [Fact]
    public void LeftPaddedRowsContinueThroughTheCacheAsIfAlone()
    {
        var model = Model(s_config);
        var ids = Ids(3, 9);
        var mask = LeftPadding(ids, 0, 2, 4);
        using var cache = model.CreateCache(3, 9);

        var pieces = cat(
            [
                model.Logits(ids.narrow(1, 0, 5), mask.narrow(1, 0, 5), cache),
                model.Logits(ids.narrow(1, 5, 2), mask.narrow(1, 0, 7), cache),
                model.Logits(ids.narrow(1, 7, 1), mask.narrow(1, 0, 8), cache),
                model.Logits(ids.narrow(1, 8, 1), mask, cache),
            ],
            1
        );

        foreach (var (row, padding) in new[] { 0, 2, 4 }.Index())
            Close(
                model.Logits(ids.narrow(0, row, 1).narrow(1, padding, 9 - padding)),
                pieces.narrow(0, row, 1).narrow(1, padding, 9 - padding),
                5e-5
            );
    }

    [Fact]
    public void RowsKeptInTheCacheGoOnAsBefore()
    {
        var model = Model(s_config);
        Tensor ids = Ids(4, 6),
            next = Ids(4, 1, seed: 8),
            rows = tensor(new[] { 2L, 0, 2 });
        using KeyValueCache whole = model.CreateCache(4, 8),
            kept = model.CreateCache(4, 8);
        model.Logits(ids, cache: whole);
        model.Logits(ids, cache: kept);

        kept.Select(rows);

        Assert.Equal((3L, 6L), (kept.Batch, kept.Length));
        Close(model.Logits(next, cache: whole).index_select(0, rows), model.Logits(next.index_select(0, rows), cache: kept), 1e-5);
    }

    [Fact]
    public void ACacheThatIsFullSaysSo()
    {
        var model = Model(s_config);
        using var cache = model.CreateCache(1, 4);
        model.Logits(Ids(1, 4), cache: cache);

        Assert.Contains("4 of 4", Assert.Throws<InvalidOperationException>(() => model.Logits(Ids(1, 1), cache: cache)).Message);
    }

    [Fact]
    public void ASequenceLongerThanThePositionsIsRefused()
    {
        var model = Model(s_config);
        using var cache = model.CreateCache(1, 30);
        model.Logits(Ids(1, 24), cache: cache);

        Assert.Equal("model/too-long", CodeOf(() => model.Logits(Ids(1, 25)), "25", "24"));
        Assert.Equal("model/too-long", CodeOf(() => model.Logits(Ids(1, 1), cache: cache), "25", "24"));
    }

    [Fact]
    public void ATokenSeesNothingOfWhatFollows()
    {
        var model = Model(s_config);
        var ids = Ids(1, 10);
        var before = model.Logits(ids).narrow(1, 0, 6);

        ids[0, 6] = (ids[0, 6] + 1) % s_config.VocabSize;

        Close(before, model.Logits(ids).narrow(1, 0, 6), 1e-6);
    }

    [Fact]
    public void AttentionScalesByLayerAndWidthAsConfigured()
    {
        Gpt2LMHeadModel plain = Model(s_config),
            byLayer = Model(s_config with { ScaleAttnByInverseLayerIdx = true }),
            unscaled = Model(s_config with { ScaleAttnWeights = false });
        var ids = Ids(2, 7);
        Assert.False(plain.Logits(ids).allclose(byLayer.Logits(ids)));
        Assert.False(plain.Logits(ids).allclose(unscaled.Logits(ids)));

        for (var layer = 0; layer < s_config.NLayer; layer++)
        {
            ScaleQuery(byLayer, layer, layer + 1);
            ScaleQuery(unscaled, layer, 1 / Math.Sqrt(s_config.HeadSize));
        }

        Close(plain.Logits(ids), byLayer.Logits(ids), 1e-4);
        Close(plain.Logits(ids), unscaled.Logits(ids), 1e-4);
    }

    [Theory]
    [InlineData("gelu_new", 0.841191990608)]
    [InlineData("gelu_pytorch_tanh", 0.841191990608)]
    [InlineData("gelu", 0.841344746069)]
    [InlineData("relu", 1.0)]
    [InlineData("silu", 0.731058578630)]
    [InlineData("tanh", 0.761594155956)]
    public void AnActivationIsTheOneOfItsName(string name, double ofOne)
    {
        // One block whose perceptron passes f(1) into the first channel: everything else is zero.
        var config = s_config with { NLayer = 1, ActivationFunction = name };
        var model = Model(config);
        foreach (var (key, parameter) in model.named_parameters())
            if (!key.Contains("ln_f"))
                parameter.zero_();
        Parameter(model, "transformer.h.0.mlp.c_fc.bias").fill_(1f);
        Parameter(model, "transformer.h.0.mlp.c_proj.weight")[0, 0] = 1f;
        var captured = 0.0;
        var ln = (nn.Module<Tensor, Tensor>)model.named_modules().Single(m => m.name == "transformer.ln_f").module;
        ln.register_forward_pre_hook(
            (_, input) =>
            {
                captured = input[0, 0, 0].item<float>();
                return input;
            }
        );

        model.Hidden(Ids(1, 1));

        Assert.Equal(ofOne, captured, 1e-6);
    }

    [Fact]
    public void AnUnknownActivationIsNamed() =>
        Assert.Equal("config/field", CodeOf(() => Model(s_config with { ActivationFunction = "swoosh" }), "swoosh", "gelu_new"));

    [Fact]
    public void FreshWeightsDependOnTheSeedAlone()
    {
        Gpt2LMHeadModel first = Model(s_config),
            again = Model(s_config),
            other = new(s_config);
        other.Initialise(2);

        foreach (var ((name, a), (_, b)) in first.named_parameters().Zip(again.named_parameters()))
        {
            Same(a, b);
            Assert.Equal(name.Contains("ln_") || name.EndsWith(".bias"), a.equal(Parameter(other, name)).all().item<bool>());
        }
    }

    [Fact]
    public void AClassifierReadsTheLastRealTokenOfEachRow()
    {
        var model = new Gpt2ForSequenceClassification(s_config with { Labels = ["a", "b"] });
        model.Initialise(1);
        var ids = Ids(3, 8);

        var logits = model.Logits(ids, tensor(new[] { 8L, 3, 1 }));

        Assert.Equal([3L, 2], logits.shape);
        foreach (var (row, length) in new[] { 8L, 3, 1 }.Index())
            Close(model.Logits(ids.narrow(0, row, 1).narrow(1, 0, length), tensor(new[] { length })), logits.narrow(0, row, 1), 1e-5);
    }

    [Fact]
    public void AClassifierNeedsALabel() =>
        Assert.Equal("config/field", CodeOf(() => new Gpt2ForSequenceClassification(s_config with { Labels = [] }), "id2label"));

    [Fact]
    public void PassesLeaveNoTensorBehind()
    {
        var model = Model(s_config);
        Tensor ids = Ids(2, 5),
            next = Ids(2, 1),
            mask = LeftPadding(ids, 0, 2),
            longer = cat([mask, ones([2, 1], ScalarType.Int64)], 1),
            rows = tensor(new[] { 1L });
        Run();
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;

        Run();

        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);

        void Run()
        {
            // No scope here on purpose: what a pass returns is all that it leaves.
            using var cache = model.CreateCache(2, 8);
            model.Logits(ids, mask, cache).Dispose();
            model.Logits(next, longer, cache).Dispose();
            cache.Select(rows);
            model.Logits(ids).Dispose();
            model.Precision.MatmulDtype = ScalarType.BFloat16;
            model.Logits(ids, mask).Dispose();
            model.Precision.MatmulDtype = null;
        }
    }

    private static Gpt2LMHeadModel Model(Gpt2Config config)
    {
        var model = new Gpt2LMHeadModel(config);
        model.Initialise(1);
        return model;
    }

    private static Tensor Ids(long batch, long time, long seed = 4)
    {
        using var generator = new Generator((ulong)seed);
        return randint(0, s_config.VocabSize, [batch, time], ScalarType.Int64, generator: generator);
    }

    private static Tensor LeftPadding(Tensor ids, params long[] padding)
    {
        var mask = ones_like(ids);
        foreach (var (row, count) in padding.Index())
            mask[row].narrow(0, 0, count).zero_();
        return mask;
    }

    private static Tensor Parameter(nn.Module model, string name) => model.named_parameters().Single(p => p.name == name).parameter;

    private static void ScaleQuery(nn.Module model, int layer, double factor)
    {
        Parameter(model, $"transformer.h.{layer}.attn.c_attn.weight").narrow(1, 0, s_config.NEmbd).mul_(factor);
        Parameter(model, $"transformer.h.{layer}.attn.c_attn.bias").narrow(0, 0, s_config.NEmbd).mul_(factor);
    }
}
