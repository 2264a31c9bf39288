using DfPO.Models;
using DfPO.Models.Decoding;
using DfPO.Models.Lora;
using DfPO.Models.Policies;
using DfPO.Rollout.Generation;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Rollout.Tests;

/// <summary>A policy of adapters beside its reference's own weights is decoded with the reference as one batch.</summary>
public sealed class PairedDecodingTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly IDisposable _noGrad = no_grad();

    public static TheoryData<string> All => Architectures.All;

    public void Dispose()
    {
        _noGrad.Dispose();
        _scope.Dispose();
    }

    [Theory]
    [MemberData(nameof(All))]
    public void One_batch_draws_what_two_models_draw(string name)
    {
        using var pair = new Pair(name);
        using var apart = Architectures.Create(name);
        foreach (var mask in new[] { DecodingPolicy.Positive, DecodingPolicy.Negative })
        {
            var options = new GenerationOptions { MaxNewTokens = 12, Policy = mask };
            // A token that row 2 draws early ends that row, and others elsewhere.
            var end = new GenerationEngine(pair.Policy, apart, null).Generate(Requests(), options)[2].Tokens[3];
            var expected = new GenerationEngine(pair.Policy, apart, end).Generate(Requests(), options);
            var actual = new GenerationEngine(pair.Policy, pair.Reference, end).Generate(Requests(), options);

            Assert.True(expected.Select(result => result.Tokens.Length).Distinct().Count() > 1, "rows must leave at different times");
            Assert.Contains(expected, result => result.RetainedMass.Any(mass => mass < 0.9f));
            foreach (var (one, two) in actual.Zip(expected))
            {
                Assert.Equal(two.Tokens, one.Tokens);
                Close(two.Logprobs, one.Logprobs);
                Close(two.ReferenceLogprobs, one.ReferenceLogprobs);
                Close(two.StateKl, one.StateKl);
            }
        }
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Logits_are_those_of_two_sessions_while_rows_leave_change_places_and_double(string name)
    {
        using var pair = new Pair(name);
        using Decoder together = new LockstepDecoder(pair.Policy, pair.Reference),
            policy = pair.Policy.CreateDecoder(),
            reference = pair.Reference.CreateDecoder();
        int[][] prompts =
        [
            [3, 4, 5],
            [6],
            [7, 8],
            [9, 10, 11, 12],
        ];
        using DecodingSession both = together.Open(prompts, 6),
            first = policy.Open(prompts, 6),
            second = reference.Open(prompts, 6);

        Compare(both.Prefill(), first.Prefill(), second.Prefill());
        foreach (
            var (rows, tokens) in new (int[], int[])[]
            {
                ([0, 1, 2, 3], [2, 3, 4, 5]),
                ([3, 0, 1], [6, 7, 8]),
                ([1, 2], [9, 10]),
                ([1, 1, 0], [11, 12, 13]),
            }
        )
        {
            foreach (var session in new[] { both, first, second })
                session.Select(rows);
            Compare(both.Step(tokens), first.Step(tokens), second.Step(tokens));
        }

        void Compare(Tensor logits, Tensor expected, Tensor referenceExpected)
        {
            Assert.Equal(expected.shape, logits.shape);
            Assert.True((logits - expected).abs().max().item<float>() < 1e-4);
            Assert.True((both.PartnerLogits! - referenceExpected).abs().max().item<float>() < 1e-4);
            Assert.True((expected - referenceExpected).abs().max().item<float>() > 1e-2);
        }
    }

    [Theory]
    [InlineData("gpt2 packed")]
    [InlineData("llama")]
    [InlineData("t5")]
    public void Adapters_that_take_the_place_of_others_take_it_in_the_batch_of_both(string name)
    {
        using var pair = new Pair(name);
        using var apart = Architectures.Create(name);
        var options = new GenerationOptions { MaxNewTokens = 6, Policy = DecodingPolicy.Negative };
        float[] Drawn(LanguageModel reference) =>
            [.. new GenerationEngine(pair.Policy, reference, null).Generate(Requests(), options).SelectMany(result => result.Logprobs)];
        var before = Drawn(pair.Reference);

        var replaced = pair.Policy.Adapters!;
        pair.Adapt(seed: 12);
        replaced.Dispose();

        Assert.NotEqual(before, Drawn(pair.Reference));
        Close(Drawn(apart), Drawn(pair.Reference));
    }

    /// <summary>A GPT-2 with packed weights is counted at its prompts alone: its steps call no module.</summary>
    [Theory]
    [MemberData(nameof(All))]
    public void Every_layer_that_both_share_is_called_once_a_step(string name)
    {
        using var pair = new Pair(name);
        var calls = new Dictionary<string, List<long>>();
        foreach (var (model, whose) in new[] { (pair.Policy.Paired(), "paired"), (pair.Policy, "policy"), (pair.Reference, "reference") })
        {
            var layers = LoraAdapters.LayersOf(model).ToHashSet();
            foreach (var (path, module) in model.named_modules().Where(named => layers.Contains(named.name)))
            {
                ((nn.Module<Tensor, Tensor>)module).register_forward_hook(
                    (_, input, output) =>
                    {
                        calls.TryAdd($"{whose}.{path}", []);
                        calls[$"{whose}.{path}"].Add(input.size(0));
                        return output;
                    }
                );
            }
        }
        using var decoder = new LockstepDecoder(pair.Policy, pair.Reference);
        using var session = decoder.Open(
            [
                [3, 4, 5],
                [6],
                [7, 8],
            ],
            3
        );

        session.Prefill();
        Assert.NotEmpty(calls);
        Check();
        calls.Clear();
        session.Step([2, 3, 4]);
        Assert.Equal(name == "gpt2 packed", calls.Count == 0);
        Check();

        void Check() => Assert.All(calls, call =>
            {
                Assert.StartsWith("paired.", call.Key);
                Assert.Equal([6], call.Value);
            });
    }

    [Theory]
    [MemberData(nameof(All))]
    public void A_zero_adapter_gives_both_the_same_bits(string name)
    {
        using var pair = new Pair(name, excited: false);
        Assert.True(pair.Policy.Adapters!.AreZero);
        foreach (
            var result in new GenerationEngine(pair.Policy, pair.Reference, endOfText: 1).Generate(
                Requests(),
                new() { MaxNewTokens = 6, Policy = DecodingPolicy.Negative }
            )
        )
        {
            Assert.All(result.StateKl, kl => Assert.Equal(0, kl));
            Assert.All(result.RetainedMass, mass => Assert.Equal(1, mass));
            Assert.Equal(result.Logprobs, result.ReferenceLogprobs);
        }
        Pair.Excite(pair.Policy.Adapters);
        Assert.False(pair.Policy.Adapters.AreZero);
    }

    private static GenerationRequest[] Requests() => TinyModels.Requests(11, vocabulary: Architectures.Vocabulary);

    private static void Close(float[] expected, float[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        foreach (var (e, a) in expected.Zip(actual))
            Assert.Equal(e, a, 1e-4f);
    }

    /// <summary>A reference and a policy of adapters in every layer beside the same weights.</summary>
    private sealed class Pair : IDisposable
    {
        public Pair(string name, bool excited = true)
        {
            Reference = Architectures.Create(name);
            Policy = SharedWeights.Twin(Reference);
            Adapt(seed: 11, excited);
        }

        public LanguageModel Policy { get; }

        public LanguageModel Reference { get; }

        /// <summary>Puts adapters of rank 2 beside every layer.</summary>
        public void Adapt(ulong seed, bool excited = true)
        {
            var layers = LoraAdapters.LayersOf(Policy).Select(path => path[(path.LastIndexOf('.') + 1)..]).Distinct();
            var adapters = LoraAdapters.Create(
                Policy,
                new LoraOptions
                {
                    Rank = 2,
                    Alpha = 3,
                    TargetModules = [.. layers],
                },
                seed: 7
            );
            if (excited)
                Excite(adapters, seed);
        }

        /// <summary>Gives the second factors, which start at zero, something to do.</summary>
        public static void Excite(LoraAdapters adapters, ulong seed = 11)
        {
            using var generator = new Generator(seed);
            foreach (
                var (_, parameter) in adapters.named_parameters().Where(p => p.name.EndsWith("lora_B.weight", StringComparison.Ordinal))
            )
                parameter.copy_(randn(parameter.shape, generator: generator) * 0.1);
        }

        public void Dispose()
        {
            Policy.Adapters!.Dispose();
            Policy.Dispose();
            Reference.Dispose();
        }
    }
}
