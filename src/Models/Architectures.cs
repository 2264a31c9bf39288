using System.Text.Json.Nodes;
using DfPO.Models.Decoders;
using DfPO.Models.Decoders.Families;
using DfPO.Models.Gpt2;
using DfPO.Models.T5;
using static TorchSharp.torch;

namespace DfPO.Models;

/// <summary>How the models of one <c>model_type</c> are read and built.</summary>
internal sealed record Architecture(
    Func<JsonObject, string, ModelConfig> Parse,
    Func<ModelConfig, Device?, ScalarType, LanguageModel> Build
)
{
    public static Architecture Of<TConfig>(Func<JsonObject, string, TConfig> parse, Func<TConfig, Device?, ScalarType, LanguageModel> build)
        where TConfig : ModelConfig => new(parse, (config, device, dtype) => build((TConfig)config, device, dtype));
}

/// <summary>Every architecture that checkpoints may hold: one line each.</summary>
internal static class Architectures
{
    private static readonly SortedDictionary<string, Architecture> s_byType = new(StringComparer.Ordinal)
    {
        ["gemma2"] = Decoder(Gemma.Parse2),
        ["gemma3_text"] = Decoder(Gemma.Parse3),
        ["gpt2"] = Architecture.Of(Gpt2Config.Parse, (config, device, dtype) => new Gpt2LMHeadModel(config, device, dtype)),
        ["gpt_bigcode"] = Decoder(GptBigCode.Parse),
        ["gpt_neo"] = Decoder(GptNeo.Parse),
        ["gpt_neox"] = Decoder(GptNeoX.Parse),
        ["gptj"] = Decoder(GptJ.Parse),
        ["llama"] = Decoder(Llama.Parse),
        ["mistral"] = Decoder(Mistral.Parse),
        ["olmo2"] = Decoder(Olmo2.Parse),
        ["opt"] = Decoder(Opt.Parse),
        ["phi3"] = Decoder(Phi3.Parse),
        ["qwen2"] = Decoder(Qwen.Parse2),
        ["qwen3"] = Decoder(Qwen.Parse3),
        ["stablelm"] = Decoder(StableLm.Parse),
        ["starcoder2"] = Decoder(Starcoder2.Parse),
        ["t5"] = Architecture.Of(T5Config.Parse, (config, device, dtype) => new T5ForConditionalGeneration(config, device, dtype)),
    };

    /// <summary>The architecture that a <c>config.json</c> names.</summary>
    /// <exception cref="DfpoException"><c>model/unknown-type</c>.</exception>
    public static Architecture Of(JsonObject json, string path)
    {
        var type = new HfConfigReader(json, path).Text("model_type", "");
        return s_byType.TryGetValue(type, out var architecture)
            ? architecture
            : throw new DfpoException(
                "model/unknown-type",
                $"'{path}': model_type '{type}' is not supported; {string.Join(", ", s_byType.Keys.Select(known => $"'{known}'"))} are."
            );
    }

    /// <summary>A model of a configuration, with uninitialised weights.</summary>
    public static LanguageModel Build(ModelConfig config, Device? device, ScalarType dtype) =>
        s_byType[config.ModelType].Build(config, device, dtype);

    private static Architecture Decoder(Func<JsonObject, string, DecoderConfig> parse) =>
        Architecture.Of(parse, (config, device, dtype) => new DecoderForCausalLM(config, device, dtype));
}
