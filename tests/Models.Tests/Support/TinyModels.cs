using DfPO.Models.Gpt2;
using DfPO.Models.Gptj;
using DfPO.Models.Llama;
using DfPO.Models.T5;

namespace DfPO.Models.Tests.Support;

/// <summary>A small random model of every architecture and variant.</summary>
internal static class TinyModels
{
    public const int Vocabulary = 31;

    private static readonly LlamaConfig s_llama = new()
    {
        VocabSize = Vocabulary,
        Positions = 24,
        Width = 24,
        IntermediateSize = 40,
        Layers = 2,
        Heads = 6,
        KeyValueHeads = 2,
        HeadSize = 8,
        InitializerRange = 0.3,
        EosTokenId = 30,
        TieWordEmbeddings = false,
    };

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

    public static IReadOnlyDictionary<string, ModelConfig> Configs { get; } = new Dictionary<string, ModelConfig>
    {
        ["gpt2"] = new Gpt2Config { VocabSize = Vocabulary, NPositions = 24, NEmbd = 24, NLayer = 2, NHead = 3, InitializerRange = 0.3, EosTokenId = 30 },
        ["gpt2 untied"] = new Gpt2Config { VocabSize = Vocabulary, NPositions = 24, NEmbd = 24, NLayer = 2, NHead = 3, NInner = 20, InitializerRange = 0.3, TieWordEmbeddings = false },
        ["gptj"] = new GptjConfig { VocabSize = Vocabulary, NPositions = 24, NEmbd = 24, NLayer = 2, NHead = 2, RotaryDim = 8, InitializerRange = 0.3, EosTokenId = 30, TieWordEmbeddings = false },
        ["gptj fully rotated"] = new GptjConfig { VocabSize = Vocabulary, NPositions = 24, NEmbd = 24, NLayer = 2, NHead = 3, RotaryDim = 8, NInner = 20, InitializerRange = 0.3, TieWordEmbeddings = false },
        ["llama"] = s_llama,
        ["llama tied"] = s_llama with { TieWordEmbeddings = true, KeyValueHeads = 6 },
        ["llama with biases"] = s_llama with { AttentionBias = true, MlpBias = true, RopeScaling = new RopeScaling(8, 1, 4, 16) },
        ["t5"] = s_t5,
        ["t5 v1.1"] = s_t5 with { FeedForwardProj = "gated-gelu", TieWordEmbeddings = false },
    };

    public static TheoryData<string> All { get; } = [.. Configs.Keys];

    public static TheoryData<string> Causal { get; } = [.. Configs.Where(c => !c.Value.IsEncoderDecoder).Select(c => c.Key)];

    public static TheoryData<string> EncoderDecoder { get; } = [.. Configs.Where(c => c.Value.IsEncoderDecoder).Select(c => c.Key)];

    public static LanguageModel Create(string name, ulong seed = 1)
    {
        LanguageModel model = Configs[name] switch
        {
            Gpt2Config config => new Gpt2LMHeadModel(config),
            GptjConfig config => new GptjForCausalLM(config),
            LlamaConfig config => new LlamaForCausalLM(config),
            T5Config config => new T5ForConditionalGeneration(config),
            var other => throw new NotSupportedException(other.ModelType),
        };
        model.Initialise(seed);
        model.eval();
        return model;
    }
}
