using System.Text.Json;
using System.Text.Json.Nodes;

namespace DfPO.Models;

/// <summary>How a <c>config.json</c> must be spelled so that transformers 4 and 5 both read it right.</summary>
internal static class ConfigSpelling
{
    // transformers 5 refuses a whole number in a field of these.
    private static readonly string[] s_floats =
    [
        "initializer_range",
        "init_std",
        "initializer_factor",
        "rms_norm_eps",
        "layer_norm_eps",
        "layer_norm_epsilon",
        "norm_epsilon",
        "final_logit_softcapping",
        "attn_logit_softcapping",
        "rope_theta",
        "factor",
        "attention_factor",
        "beta_fast",
        "beta_slow",
        "low_freq_factor",
        "high_freq_factor",
        "partial_rotary_factor",
        "short_factor",
        "long_factor",
        "rope_local_base_freq",
        "rotary_pct",
        "rotary_emb_base",
    ];

    /// <summary>Writes numbers that must be floats with a point, here and in the sections of the rotation.</summary>
    public static void Floats(JsonObject json)
    {
        foreach (var field in s_floats.Where(json.ContainsKey))
        {
            if (json[field] is JsonArray numbers)
                json[field] = new JsonArray([.. numbers.Select(number => Float(number))]);
            else
                json[field] = Float(json[field]);
        }
        foreach (
            var section in json.Where(pair => pair.Key is "rope_parameters" or "rope_scaling" or "full_attention" or "sliding_attention")
                .Select(pair => pair.Value)
                .OfType<JsonObject>()
                .ToArray()
        )
            Floats(section);
    }

    /// <summary>
    /// Adds the spelling of the rotation that is missing: <c>rope_parameters</c> of transformers 5, or <c>rope_theta</c>,
    /// <c>rope_scaling</c> and the share that turns of transformers 4.
    /// </summary>
    public static void Both(JsonObject json)
    {
        var family = json["model_type"]?.ToString();
        if (family == "gemma3_text")
            BothOfGemma3(json);
        else if (family == "gpt_neox")
            Both(json, "rotary_emb_base", "rotary_pct", 0.25);
        else
            Both(json, "rope_theta", "partial_rotary_factor", family == "stablelm" ? 0.25 : null);
    }

    private static void Both(JsonObject json, string theta, string partial, double? usualPartial)
    {
        if (json["rope_scaling"] is null && json["rope_parameters"] is JsonObject parameters)
        {
            json[theta] = parameters["rope_theta"]?.DeepClone() ?? json[theta]?.DeepClone() ?? 10000.0;
            if (parameters["partial_rotary_factor"] is { } share)
                json[partial] = share.DeepClone();
            json["rope_scaling"] = Scaling(parameters);
        }
        else
        {
            var section = json["rope_scaling"]?.DeepClone() as JsonObject ?? [];
            section["rope_type"] ??= section["type"]?.DeepClone() ?? "default";
            section.Remove("type");
            section["rope_theta"] ??= json[theta]?.DeepClone() ?? 10000.0;
            if ((json[partial]?.DeepClone() ?? usualPartial) is { } share)
                section["partial_rotary_factor"] ??= share;
            json[theta] = section["rope_theta"]!.DeepClone();
            if (section["partial_rotary_factor"] is { } turning)
                json[partial] = turning.DeepClone();
            json["rope_scaling"] = json["rope_scaling"]?.DeepClone();
            json["rope_parameters"] = section;
        }
    }

    private static void BothOfGemma3(JsonObject json)
    {
        if (json["rope_scaling"] is not null || json["rope_parameters"] is not JsonObject parameters)
        {
            var section = json["rope_scaling"]?.DeepClone() as JsonObject ?? [];
            section["rope_type"] ??= section["type"]?.DeepClone() ?? "default";
            section.Remove("type");
            section["rope_theta"] ??= json["rope_theta"]?.DeepClone() ?? 1_000_000.0;
            parameters = new JsonObject
            {
                ["full_attention"] = section,
                ["sliding_attention"] = new JsonObject
                {
                    ["rope_type"] = "default",
                    ["rope_theta"] = json["rope_local_base_freq"]?.DeepClone() ?? 10_000.0,
                },
            };
        }
        json["rope_theta"] = parameters["full_attention"]?["rope_theta"]?.DeepClone() ?? json["rope_theta"]?.DeepClone() ?? 1_000_000.0;
        json["rope_scaling"] ??= parameters["full_attention"] is JsonObject full ? Scaling(full) : null;
        json["rope_local_base_freq"] = parameters["sliding_attention"]?["rope_theta"]?.DeepClone()
            ?? json["rope_local_base_freq"]?.DeepClone()
            ?? 10_000.0;
        json["rope_parameters"] = parameters.Parent is null ? parameters : parameters.DeepClone();
    }

    private static JsonNode? Scaling(JsonObject parameters)
    {
        var type = parameters["rope_type"]?.ToString() ?? parameters["type"]?.ToString() ?? "default";
        if (type == "default")
            return null;
        var section = (JsonObject)parameters.DeepClone();
        section.Remove("rope_theta");
        section.Remove("partial_rotary_factor");
        return type is "longrope" && !section.ContainsKey("factor") && !section.ContainsKey("attention_factor") ? OfPhi3(section) : section;
    }

    // transformers 4 wants these three and no other there; the original length stands above.
    private static JsonObject OfPhi3(JsonObject section) =>
        new()
        {
            ["type"] = "longrope",
            ["short_factor"] = section["short_factor"]?.DeepClone(),
            ["long_factor"] = section["long_factor"]?.DeepClone(),
        };

    private static JsonNode? Float(JsonNode? number) =>
        number is JsonValue
        && number.GetValueKind() == JsonValueKind.Number
        && number.ToJsonString() is var text
        && text.All(c => char.IsDigit(c) || c == '-')
            ? JsonNode.Parse(text + ".0")
            : number?.DeepClone();
}
