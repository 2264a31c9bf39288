using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using DfPO.Models.Gguf;
using DfPO.Models.Lora;
using DfPO.Models.Tokenizers;

namespace DfPO.Models;

/// <summary>
/// What a folder of weights needs beside them so that it loads elsewhere: tokenizer, chat template, defaults of generation, and a model
/// card.
/// </summary>
public static class ModelFolder
{
    private const string GenerationName = "generation_config.json";
    private const string CardName = "README.md";

    /// <summary>Adds the files to a folder with configuration and weights, or with an adapter.</summary>
    /// <remarks>
    /// <c>tokenizer.json</c>, which transformers 4 and 5 read alike, with <c>tokenizer_config.json</c> and <c>special_tokens_map.json</c>,
    /// beside the vocabulary files that the source has; of a language model <c>generation_config.json</c> with every id that ends a text;
    /// <c>README.md</c> where there is none.
    /// </remarks>
    /// <param name="folder">The folder.</param>
    /// <param name="source">The checkpoint that tokenizer, templates and defaults are taken from; may be the folder itself.</param>
    /// <exception cref="DfpoException"><c>tokenizer/...</c> or <c>config/...</c>: the source's files are missing or broken.</exception>
    public static void Complete(string folder, string source)
    {
        var tokenizer = TextTokenizer.Load(source);
        var apart = Path.GetFullPath(folder) != Path.GetFullPath(source);
        if (apart)
            TokenizerFiles.Copy(source, folder);
        if (apart || !File.Exists(Path.Combine(source, TokenizerJson.FileName)))
            tokenizer.Save(folder);
        // An adapter may go on without its base, which says how texts end.
        var adapter = AdapterFolder.IsOne(folder);
        var known = !adapter || AdapterFolder.HasBase(folder);
        var model = known && adapter ? AdapterFolder.Base(folder) : folder;
        var config =
            !known ? []
            : GgufModel.Find(model) is { } gguf ? GgufModel.ReadConfig(gguf)
            : HfConfigReader.ReadFile(Path.Combine(model, "config.json"));
        var kind = config["architectures"] is JsonArray { Count: > 0 } names ? names[0]!.ToString() : "";
        if (known && !kind.EndsWith("ForSequenceClassification", StringComparison.Ordinal))
            WriteGeneration(folder, source, config, tokenizer);
        if (!File.Exists(Path.Combine(folder, CardName)))
            Write(Path.Combine(folder, CardName), Card(folder, config, kind));
    }

    private static void WriteGeneration(string folder, string source, JsonObject config, TextTokenizer tokenizer)
    {
        var (from, to) = (Path.Combine(source, GenerationName), Path.Combine(folder, GenerationName));
        if (File.Exists(from))
        {
            if (Path.GetFullPath(from) != Path.GetFullPath(to))
                File.Copy(from, to, overwrite: true);
            return;
        }
        var ends = EndOfText.Of(source, tokenizer).Ids;
        var json = new JsonObject();
        foreach (var field in new[] { "bos_token_id", "pad_token_id", "decoder_start_token_id" })
            if (config[field] is { } id)
                json[field] = id.DeepClone();
        if (ends.Length > 0)
            json["eos_token_id"] = ends.Length == 1 ? ends[0] : new JsonArray([.. ends.Select(id => JsonValue.Create(id))]);
        Write(to, json.ToJsonString(new JsonSerializerOptions { WriteIndented = true }) + "\n");
    }

    private static string Card(string folder, JsonObject config, string kind)
    {
        var adapter = AdapterFolder.IsOne(folder);
        var (task, model) = kind switch
        {
            _ when kind.EndsWith("ForSequenceClassification", StringComparison.Ordinal) => (
                "text-classification",
                "AutoModelForSequenceClassification"
            ),
            _ when kind.EndsWith("ForConditionalGeneration", StringComparison.Ordinal) => ("text2text-generation", "AutoModelForSeq2SeqLM"),
            _ => ("text-generation", "AutoModelForCausalLM"),
        };
        var load = adapter ? "AutoPeftModelForCausalLM" : model;
        if (adapter && task == "text2text-generation")
            load = "AutoPeftModelForSeq2SeqLM";
        return string.Create(
            CultureInfo.InvariantCulture,
            $"""
            ---
            library_name: {(adapter ? "peft" : "transformers")}
            pipeline_tag: {task}
            ---
            # {(adapter ? "Adapter (LoRA)" : "Model")} written by DfPO

            Architecture: {(kind.Length > 0 ? kind : config["model_type"]?.ToString())}{(
                adapter ? ", beside the base that `adapter_config.json` names" : ""
            )}.

            ```python
            from {(adapter ? "peft" : "transformers")} import {load}
            from transformers import AutoTokenizer

            model = {load}.from_pretrained("this-folder")
            tokenizer = AutoTokenizer.from_pretrained("this-folder")
            ```

            What it was trained on and how is not recorded here: add it before you publish this.

            """
        );
    }

    private static void Write(string path, string text)
    {
        var partial = path + ".partial";
        File.WriteAllText(partial, text);
        File.Move(partial, path, overwrite: true);
    }
}
