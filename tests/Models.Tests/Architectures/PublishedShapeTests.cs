using System.Text.Json.Nodes;
using DfPO.Models.T5;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Tests.Architectures;

/// <summary>
/// The published sizes of GPT-J and T5, built on the meta device, where a tensor has a shape and no bytes. GPT-2's are in
/// <see cref="Gpt2.Gpt2ShapeTests"/>.
/// </summary>
public sealed class PublishedShapeTests
{
    private const string GptJ6B = """
        {"model_type": "gptj", "activation_function": "gelu_new", "attn_pdrop": 0.0, "bos_token_id": 50256, "embd_pdrop": 0.0, "eos_token_id": 50256, "initializer_range": 0.02, "layer_norm_epsilon": 1e-05,
         "n_embd": 4096, "n_head": 16, "n_inner": null, "n_layer": 28, "n_positions": 2048, "resid_pdrop": 0.0, "rotary": true, "rotary_dim": 64, "scale_attn_weights": true, "tie_word_embeddings": false,
         "use_cache": true, "vocab_size": 50400}
        """;

    [Fact]
    public void GptJ6BHasThePublishedNamesAndShapes()
    {
        using var model = LanguageModel.Create(ModelConfig.FromJson(Json(GptJ6B), "config.json"), device(DeviceType.META));

        var expected = new Dictionary<string, string>
        {
            ["transformer.wte.weight"] = "50400,4096",
            ["lm_head.weight"] = "50400,4096",
            ["lm_head.bias"] = "50400",
        };
        for (var layer = 0; layer < 28; layer++)
        {
            var block = $"transformer.h.{layer}.";
            (expected[block + "ln_1.weight"], expected[block + "ln_1.bias"]) = ("4096", "4096");
            foreach (var projection in new[] { "q_proj", "k_proj", "v_proj", "out_proj" })
                expected[$"{block}attn.{projection}.weight"] = "4096,4096";
            (expected[block + "mlp.fc_in.weight"], expected[block + "mlp.fc_in.bias"]) = ("16384,4096", "16384");
            (expected[block + "mlp.fc_out.weight"], expected[block + "mlp.fc_out.bias"]) = ("4096,16384", "4096");
        }
        (expected["transformer.ln_f.weight"], expected["transformer.ln_f.bias"]) = ("4096", "4096");
        AssertShapes(expected, model, 6_050_882_784);
    }

    [Theory]
    [InlineData("t5-small", 512, 64, 2048, 8, 6, "relu", true, 60_506_624)]
    [InlineData("t5-base", 768, 64, 3072, 12, 12, "relu", true, 222_903_552)]
    [InlineData("t5-large", 1024, 64, 4096, 16, 24, "relu", true, 737_668_096)]
    [InlineData("t5-3b", 1024, 128, 16384, 32, 24, "relu", true, 2_851_598_336)]
    [InlineData("t5-11b", 1024, 128, 65536, 128, 24, "relu", true, 11_307_321_344)]
    [InlineData("t5-v1_1-small", 512, 64, 1024, 6, 8, "gated-gelu", false, 76_961_152)]
    [InlineData("t5-v1_1-base", 768, 64, 2048, 12, 12, "gated-gelu", false, 247_577_856)]
    [InlineData("t5-v1_1-large", 1024, 64, 2816, 16, 24, "gated-gelu", false, 783_150_080)]
    public void T5HasThePublishedNamesAndShapes(
        string name,
        int width,
        int head,
        int feed,
        int heads,
        int layers,
        string kind,
        bool tied,
        long total
    )
    {
        Assert.StartsWith("t5", name);
        var config = T5Config.Parse(
            new JsonObject
            {
                ["model_type"] = "t5",
                ["d_model"] = width,
                ["d_kv"] = head,
                ["d_ff"] = feed,
                ["num_heads"] = heads,
                ["num_layers"] = layers,
                ["feed_forward_proj"] = kind,
                ["tie_word_embeddings"] = tied,
                ["vocab_size"] = 32128,
                ["relative_attention_num_buckets"] = 32,
                ["layer_norm_epsilon"] = 1e-6,
                ["eos_token_id"] = 1,
                ["pad_token_id"] = 0,
                ["decoder_start_token_id"] = 0,
            },
            "config.json"
        );
        using var model = new T5ForConditionalGeneration(config, device(DeviceType.META));

        var inner = heads * head;
        var expected = new Dictionary<string, string> { ["shared.weight"] = $"32128,{width}" };
        if (!tied)
            expected["lm_head.weight"] = $"32128,{width}";
        foreach (
            var (stack, attentions) in new[] { ("encoder", new[] { "SelfAttention" }), ("decoder", ["SelfAttention", "EncDecAttention"]) }
        )
        {
            expected[$"{stack}.final_layer_norm.weight"] = $"{width}";
            expected[$"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"] = $"32,{heads}";
            for (var block = 0; block < layers; block++)
            {
                foreach (var (attention, place) in attentions.Select((attention, place) => (attention, place)))
                {
                    var layer = $"{stack}.block.{block}.layer.{place}.";
                    foreach (var projection in "qkv")
                        expected[$"{layer}{attention}.{projection}.weight"] = $"{inner},{width}";
                    expected[$"{layer}{attention}.o.weight"] = $"{width},{inner}";
                    expected[layer + "layer_norm.weight"] = $"{width}";
                }
                var last = $"{stack}.block.{block}.layer.{attentions.Length}.";
                foreach (var first in kind == "relu" ? ["wi"] : new[] { "wi_0", "wi_1" })
                    expected[$"{last}DenseReluDense.{first}.weight"] = $"{feed},{width}";
                expected[last + "DenseReluDense.wo.weight"] = $"{width},{feed}";
                expected[last + "layer_norm.weight"] = $"{width}";
            }
        }
        AssertShapes(expected, model, total);
    }

    private static void AssertShapes(Dictionary<string, string> expected, LanguageModel model, long total)
    {
        var shapes = model.named_parameters().ToDictionary(p => p.name, p => string.Join(',', p.parameter.shape));
        Assert.Equal(expected.OrderBy(p => p.Key, StringComparer.Ordinal), shapes.OrderBy(p => p.Key, StringComparer.Ordinal));
        Assert.Equal(total, model.parameters().Sum(p => p.numel()));
        Assert.Equal(total, model.Config.ParameterCount);
        Assert.All(model.parameters(), p => Assert.Equal(DeviceType.META, p.device_type));
    }

    private static JsonObject Json(string text) => (JsonObject)JsonNode.Parse(text)!;
}
