using System.Text.Json;
using System.Text.Json.Nodes;

namespace DfPO.Models.Tokenizers;

/// <summary>The few settings of <c>tokenizer_config.json</c> that change what <c>tokenizer.json</c> says.</summary>
/// <remarks>
/// Measured on transformers 4.57 and 5.24: where both follow a setting, so it is here; where neither does, the file stands; where the two
/// part ways, the folder is refused. The classes that follow are those named here.
/// </remarks>
internal static class SettingOverrides
{
    private static readonly string[] s_berts = ["BertTokenizer", "DistilBertTokenizer"];
    private static readonly string[] s_byteLevel = ["GPT2Tokenizer", "RobertaTokenizer"];
    private static readonly string[] s_templates = ["LlamaTokenizer", "GemmaTokenizer", "GPTNeoXTokenizer"];

    /// <exception cref="DfpoException"><c>tokenizer/unsupported</c>: settings and file contradict each other.</exception>
    public static (JsonField Normalizer, JsonField PreTokenizer, JsonField Decoder) Apply(
        TokenizerSettings settings,
        JsonField normalizer,
        JsonField preTokenizer,
        JsonField decoder
    )
    {
        normalizer = Bert(settings, normalizer);
        foreach (var step in preTokenizer.Steps("pretokenizers").Where(step => step.Kind == "ByteLevel"))
        {
            var wanted = settings.AddPrefixSpace ?? (s_byteLevel.Contains(settings.Class) ? false : null);
            if (wanted is not { } space || space == step["add_prefix_space"].Flag(true))
                continue;
            if (!s_byteLevel.Contains(settings.Class) || preTokenizer.Kind == "Sequence")
                throw settings.Refused(
                    "add_prefix_space",
                    $"contradicts {TokenizerJson.FileName}, whose '{step.Name}.add_prefix_space' is {(space ? "false" : "true")}, and versions of transformers differ in which they follow: make them alike"
                );
            preTokenizer = Changed(preTokenizer, json => json["add_prefix_space"] = space);
        }
        if (settings.Class == "LlamaTokenizer" && settings.AddPrefixSpace == false)
        {
            normalizer = Without(normalizer, "normalizers", "Prepend");
            preTokenizer = preTokenizer.Kind == "Metaspace" ? Changed(preTokenizer, json =>
                    {
                        json["prepend_scheme"] = "never";
                        json.Remove("add_prefix_space");
                    }) : preTokenizer;
            decoder = Without(decoder, "decoders", "Strip");
        }
        return (normalizer, preTokenizer, decoder);
    }

    /// <summary>Refuses special tokens around a text that settings and file do not agree on.</summary>
    /// <exception cref="DfpoException"><c>tokenizer/unsupported</c>.</exception>
    public static void CheckTemplate(TokenizerSettings settings, TokenizerPipeline pipeline)
    {
        if (!s_templates.Contains(settings.Class))
            return;
        var parts = pipeline.Template.Single;
        Check("add_bos_token", settings.AddBos, "bos_token", id => parts[0].Special.Contains(id));
        Check("add_eos_token", settings.AddEos, "eos_token", id => parts[^1].Special.Contains(id));

        void Check(string field, bool? wanted, string role, Func<int, bool> has)
        {
            if (wanted is { } given && settings.Named(role) is { } token && pipeline.Id(token) is { } id && given != has(id))
                throw settings.Refused(
                    field,
                    $"contradicts {TokenizerJson.FileName}, whose post_processor {(given ? "puts no" : "puts a")} '{token}' there, and versions of transformers differ in which they follow: make them alike"
                );
        }
    }

    private static JsonField Bert(TokenizerSettings settings, JsonField normalizer)
    {
        if (normalizer.Kind != "BertNormalizer")
            return normalizer;
        var (lower, accents, chinese) = (
            normalizer["lowercase"].Flag(true),
            normalizer["strip_accents"].IsAbsent ? (bool?)null : normalizer["strip_accents"].Flag(false),
            normalizer["handle_chinese_chars"].Flag(true)
        );
        if (s_berts.Contains(settings.Class))
        {
            return Changed(normalizer, json =>
            {
                json["lowercase"] = settings.Lowercase ?? true;
                json["strip_accents"] = settings.StripAccents;
                json["handle_chinese_chars"] = settings.IsolateChinese ?? true;
            });
        }
        if (settings.Class is "" or "PreTrainedTokenizerFast" or "TokenizersBackend")
            return normalizer;
        foreach (
            var (field, wanted, has) in new[]
            {
                ("do_lower_case", settings.Lowercase, lower),
                ("strip_accents", settings.StripAccents, accents ?? lower),
                ("tokenize_chinese_chars", settings.IsolateChinese, chinese),
            }
        )
            if (wanted is { } given && given != has)
                throw settings.Refused(
                    field,
                    $"contradicts {TokenizerJson.FileName}, and whether class {settings.Class} follows it is not known: make them alike"
                );
        return normalizer;
    }

    private static JsonField Without(JsonField field, string within, string kind) =>
        field.Kind == kind ? field with { Value = default }
        : field.Kind == "Sequence" ? Changed(field, json => json[within]!.AsArray().RemoveAll(step => (string?)step!["type"] == kind))
        : field;

    private static JsonField Changed(JsonField field, Action<JsonObject> change)
    {
        var json = JsonObject.Create(field.Value)!.DeepClone().AsObject();
        change(json);
        return field with { Value = JsonSerializer.SerializeToElement(json) };
    }
}
