using DfPO.Models;
using DfPO.Models.Gpt2;
using DfPO.Models.T5;
using static TorchSharp.torch;

namespace DfPO.Rollout.Tests;

/// <summary>A small random model of every architecture, and of GPT-2 one that decodes with packed weights and one that does not.</summary>
internal static class Architectures
{
    public const int Vocabulary = 29;

    static Architectures() => set_num_threads(1);

    /// <summary>
    /// Not those whose rotation depends on a text's length: their tokens, drawn of a shorter text, have other probabilities in a pass over
    /// a longer one.
    /// </summary>
    public static TheoryData<string> All { get; } =
    ["gpt2", "gpt2 packed", "t5", "t5 v1.1", .. DecoderConfigs.Names.Where(name => !DecoderConfigs.Restretches(name))];

    public static LanguageModel Create(string name, ulong seed = 1)
    {
        var t5 = new T5Config
        {
            VocabSize = Vocabulary,
            DModel = 24,
            DKv = 6,
            DFf = 40,
            NumHeads = 3,
            NumLayers = 2,
            NumDecoderLayers = 2,
            RelativeAttentionNumBuckets = 8,
            RelativeAttentionMaxDistance = 20,
            EosTokenId = 1,
            PadTokenId = 0,
        };
        LanguageModel model = name switch
        {
            "gpt2" => new Gpt2LMHeadModel(
                new Gpt2Config
                {
                    VocabSize = Vocabulary,
                    NPositions = 64,
                    NEmbd = 24,
                    NLayer = 2,
                    NHead = 3,
                    InitializerRange = 0.3,
                }
            ),
            "gpt2 packed" => new Gpt2LMHeadModel(
                new Gpt2Config
                {
                    VocabSize = Vocabulary,
                    NPositions = 64,
                    NEmbd = 32,
                    NLayer = 2,
                    NHead = 2,
                    InitializerRange = 0.3,
                }
            ),
            "t5" => new T5ForConditionalGeneration(t5),
            "t5 v1.1" => new T5ForConditionalGeneration(
                t5 with
                {
                    FeedForwardProj = "gated-gelu",
                    TieWordEmbeddings = false,
                    InitializerFactor = 0.8,
                }
            ),
            _ => LanguageModel.Create(DecoderConfigs.Of(name, Vocabulary, positions: 64)),
        };
        model.Initialise(seed);
        model.eval();
        return model;
    }

    /// <summary>Every parameter moved a little: a policy some updates away from its reference.</summary>
    public static LanguageModel Perturbed(string name, double by = 0.05)
    {
        var model = Create(name);
        using var scope = TorchSharp.torch.NewDisposeScope();
        using var _ = no_grad();
        using var generator = new Generator(101);
        foreach (var parameter in model.parameters())
            parameter.add_(randn(parameter.shape, generator: generator) * by);
        return model;
    }
}
