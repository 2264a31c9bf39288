using System.Runtime.InteropServices;
using DfPO.Models.Gpt2;
using DfPO.Models.Policies;
using DfPO.Rollout.Generation;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Rollout.Tests;

public sealed class PackedDecodingTests
{
    [Theory]
    [InlineData(2, true)]
    [InlineData(4, false)] // heads of 8: too narrow for the kernels
    public void Packed_weights_serve_where_the_kernels_fit(int heads, bool packed)
    {
        Assert.SkipUnless(
            OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64,
            "oneDNN's packed operators are sure to exist in Linux builds for x64 only"
        );
        using var model = Create(heads);
        using var decoder = model.CreateDecoder();
        using var session = decoder.Open(
            [
                [1, 2],
                [3],
            ],
            4
        );
        Assert.Equal(packed, session.SelectIsFree);
    }

    [Theory]
    [InlineData("gelu_new")]
    [InlineData("gelu")]
    [InlineData("relu")]
    public void Steps_give_the_logits_of_a_full_pass(string activation)
    {
        using var _ = no_grad();
        using var model = Create(heads: 2, activation);
        using var decoder = model.CreateDecoder();
        int[][] prompts =
        [
            [4, 8, 15],
            [16],
            [23, 42, 7, 1, 9],
        ];
        using var session = decoder.Open(prompts, 6);
        session.Prefill().Dispose();
        int[][] texts = prompts;
        for (var step = 0; step < 5; step++)
        {
            var tokens = texts.Select((_, row) => (row * 17 + step * 5 + 2) % 61).ToArray();
            texts = [.. texts.Zip(tokens, (text, token) => (int[])[.. text, token])];
            using var logits = session.Step(tokens);
            Assert.Equal(texts.Length, logits.size(0));
            for (var row = 0; row < texts.Length; row++)
            {
                using var scope = NewDisposeScope();
                var expected = model.Logits(tensor(Array.ConvertAll(texts[row], id => (long)id)).unsqueeze(0))[0, -1];
                Assert.True((expected - logits[row]).abs().max().item<float>() < 1e-3f * expected.abs().max().item<float>());
            }
            if (step == 2)
            {
                session.Select([2, 0]);
                texts = [texts[2], texts[0]];
            }
        }
    }

    [Fact]
    public void New_weights_are_noticed()
    {
        using var model = TinyModels.Create(seed: 1);
        using var other = TinyModels.Create(seed: 2);
        var options = new GenerationOptions { MaxNewTokens = 12 };
        var engine = new GenerationEngine(model, null, null);
        var before = engine.Generate(TinyModels.Requests(9), options);
        using (no_grad())
        {
            foreach (var (mine, theirs) in model.parameters().Zip(other.parameters()))
                mine.copy_(theirs);
        }
        var after = engine.Generate(TinyModels.Requests(9), options);
        Assert.NotEqual(before.SelectMany(r => r.Tokens), after.SelectMany(r => r.Tokens));
        GenerationEngineTests.AssertSame(new GenerationEngine(other, null, null).Generate(TinyModels.Requests(9), options), after);
    }

    [Fact]
    public void Even_one_changed_sign_is_noticed()
    {
        using var model = TinyModels.Create();
        using var reference = TinyModels.Create();
        var engine = new GenerationEngine(model, reference, null);
        var options = new GenerationOptions { MaxNewTokens = 8, Policy = DecodingPolicy.Positive };
        Assert.All(engine.Generate(TinyModels.Requests(3), options), r => Assert.All(r.StateKl, kl => Assert.Equal(0, kl)));
        using (no_grad())
            model.state_dict()["transformer.h.1.mlp.c_fc.weight"][3, 5].neg_().Dispose();
        Assert.Contains(engine.Generate(TinyModels.Requests(3), options), r => r.StateKl.Any(kl => kl > 0));
    }

    [Fact]
    public void Engines_on_several_threads_may_share_a_model()
    {
        using var model = TinyModels.Create();
        var expected = new GenerationEngine(model, model, null).Generate(TinyModels.Requests(9), new() { MaxNewTokens = 12 });
        Parallel.For(0, 8, _ =>
        {
            set_num_threads(1);
            GenerationEngineTests.AssertSame(
                expected,
                new GenerationEngine(model, model, null).Generate(TinyModels.Requests(9), new() { MaxNewTokens = 12 })
            );
        });
    }

    private static Gpt2LMHeadModel Create(int heads, string activation = "gelu_new")
    {
        var model = new Gpt2LMHeadModel(
            new Gpt2Config
            {
                VocabSize = 61,
                NPositions = 64,
                NEmbd = 32,
                NLayer = 2,
                NHead = heads,
                InitializerRange = 0.25,
                ActivationFunction = activation,
            }
        );
        model.Initialise(3);
        return model;
    }
}
