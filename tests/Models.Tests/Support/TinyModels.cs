using DfPO.Models.Gpt2;
using DfPO.Models.T5;

namespace DfPO.Models.Tests.Support;

/// <summary>A small random model of every architecture and variant.</summary>
internal static class TinyModels
{
    public const int Vocabulary = 31;

    private static readonly T5Config s_t5 = new()
    {
        VocabSize = Vocabulary,
        DModel = 24,
        DKv = 6,
        DFf = 40,
        NumHeads = 3,
        NumLayers = 2,
        NumDecoderLayers = 3,
        RelativeAttentionNumBuckets = 8,
        RelativeAttentionMaxDistance = 20,
        EosTokenId = 1,
        PadTokenId = 0,
    };

    public static IReadOnlyDictionary<string, ModelConfig> Configs { get; } =
        new Dictionary<string, ModelConfig>
        {
            ["gpt2"] = new Gpt2Config
            {
                VocabSize = Vocabulary,
                NPositions = 24,
                NEmbd = 24,
                NLayer = 2,
                NHead = 3,
                InitializerRange = 0.3,
                EosTokenId = 30,
            },
            ["gpt2 untied"] = new Gpt2Config
            {
                VocabSize = Vocabulary,
                NPositions = 24,
                NEmbd = 24,
                NLayer = 2,
                NHead = 3,
                NInner = 20,
                InitializerRange = 0.3,
                TieWordEmbeddings = false,
            },
            ["t5"] = s_t5,
            ["t5 v1.1"] = s_t5 with { FeedForwardProj = "gated-gelu", TieWordEmbeddings = false },
        }
            .Concat(DecoderConfigs.Names.Select(name => KeyValuePair.Create(name, DecoderConfigs.Of(name, Vocabulary, positions: 24))))
            .ToDictionary();

    public static TheoryData<string> All { get; } = [.. Configs.Keys];

    public static TheoryData<string> Causal { get; } = [.. Configs.Where(c => !c.Value.IsEncoderDecoder).Select(c => c.Key)];

    /// <summary>Those that a cache can be appended to at any length.</summary>
    public static TheoryData<string> Cached { get; } =
    [.. Configs.Where(c => !c.Value.IsEncoderDecoder && !DecoderConfigs.Restretches(c.Key)).Select(c => c.Key)];

    public static TheoryData<string> EncoderDecoder { get; } = [.. Configs.Where(c => c.Value.IsEncoderDecoder).Select(c => c.Key)];

    public static LanguageModel Create(string name, ulong seed = 1)
    {
        var model = LanguageModel.Create(Configs[name]);
        model.Initialise(seed);
        model.eval();
        return model;
    }
}
