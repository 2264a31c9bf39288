using System.Text.Json;
using System.Text.Json.Nodes;
using DfPO.Models.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Lora;

/// <summary>Adapters from and to folders in PEFT's layout: <c>adapter_config.json</c> and <c>adapter_model.safetensors</c>.</summary>
public static class AdapterFolder
{
    /// <summary>Name of the configuration, which makes a folder an adapter's.</summary>
    public const string ConfigName = "adapter_config.json";

    private const string WeightsName = "adapter_model.safetensors";
    private const string Prefix = "base_model.model.";

    /// <summary>Whether a folder holds an adapter.</summary>
    public static bool IsOne(string folder) => File.Exists(Path.Combine(folder, ConfigName));

    /// <summary>The base model's folder that an adapter names.</summary>
    /// <exception cref="DfpoException"><c>config/...</c> or <c>lora/base</c>: it names none that is there.</exception>
    public static string Base(string folder)
    {
        var path = Path.Combine(folder, ConfigName);
        var named = new HfConfigReader(HfConfigReader.ReadFile(path), path).Text("base_model_name_or_path", "");
        return Directory.Exists(named)
            ? named
            : throw new DfpoException("lora/base", $"'{path}': field 'base_model_name_or_path' is '{named}', which is no folder here: set it to the base model's.");
    }

    /// <summary>Writes the two files so that PEFT loads them.</summary>
    /// <param name="folder">Created when absent; existing files are replaced whole.</param>
    /// <param name="adapters">The adapters.</param>
    /// <param name="model">The model beside which they stand, or one of its shape.</param>
    /// <param name="basePath">Folder of the base model, as the configuration shall name it.</param>
    public static void Save(string folder, LoraAdapters adapters, LanguageModel model, string basePath)
    {
        Directory.CreateDirectory(folder);
        using (NewDisposeScope())
            SafetensorsWriter.Write(Path.Combine(folder, WeightsName), adapters.named_parameters()
                .Where(p => p.name != LoraAdapters.AlphaName).ToDictionary(p => Prefix + p.name, p => (Tensor)p.parameter));
        var projections = LoraAdapters.Projections(model);
        var json = new JsonObject
        {
            ["peft_type"] = "LORA",
            ["task_type"] = model.Config.IsEncoderDecoder ? "SEQ_2_SEQ_LM" : "CAUSAL_LM",
            ["base_model_name_or_path"] = basePath,
            ["r"] = adapters.Rank,
            ["lora_alpha"] = adapters.Alpha,
            ["lora_dropout"] = 0.0,
            ["bias"] = "none",
            ["fan_in_fan_out"] = adapters.Paths.Any(path => projections[path].FanInFanOut),
            ["inference_mode"] = true,
            ["target_modules"] = new JsonArray([.. adapters.Paths.Select(path => JsonValue.Create(path))]),
        };
        var partial = Path.Combine(folder, ConfigName + ".partial");
        File.WriteAllText(partial, json.ToJsonString(new JsonSerializerOptions { WriteIndented = true }) + "\n");
        File.Move(partial, Path.Combine(folder, ConfigName), overwrite: true);
    }

    /// <summary>Reads adapters; they stand beside no model yet.</summary>
    /// <param name="folder">An adapter's folder.</param>
    /// <param name="device">Where they live; CPU when null.</param>
    /// <exception cref="DfpoException">A missing or broken file, <c>lora/unsupported</c> for kinds of adapters that this does not compute, <c>lora/shape</c>.</exception>
    public static LoraAdapters Load(string folder, Device? device = null)
    {
        var path = Path.Combine(folder, ConfigName);
        var json = HfConfigReader.ReadFile(path);
        RequirePlain(json, path);
        var reader = new HfConfigReader(json, path);
        var (rank, alpha) = (reader.Positive("r"), reader.Number("lora_alpha", 8));
        using var file = CheckpointFolder.OpenFile(Path.Combine(folder, WeightsName));
        if (file.Names.FirstOrDefault(name => !name.StartsWith(Prefix, StringComparison.Ordinal) || !(name.EndsWith(".lora_A.weight", StringComparison.Ordinal) || name.EndsWith(".lora_B.weight", StringComparison.Ordinal))) is { } surplus)
            throw new DfpoException("lora/unsupported", $"'{file.Path}' holds tensor '{surplus}', which is not a factor of an adapter.");
        var adapters = LoraAdapters.Shaped(file.Names.ToDictionary(name => name[Prefix.Length..], name => file.Entry(name).Shape.ToArray()), alpha, file.Path, device ?? CPU, ScalarType.Float32);
        if (adapters.Rank != rank)
        {
            adapters.Dispose();
            throw new DfpoException("lora/shape", $"'{path}' says r = {rank}, but the factors in '{file.Path}' have a rank of {adapters.Rank}.");
        }
        adapters.CopyFrom(name => file.Get(Prefix + name));
        return adapters;
    }

    /// <summary>Copies the two files.</summary>
    /// <param name="folder">An adapter's folder.</param>
    /// <param name="to">Created when absent.</param>
    public static void Copy(string folder, string to)
    {
        Directory.CreateDirectory(to);
        foreach (var name in new[] { ConfigName, WeightsName })
            File.Copy(Path.Combine(folder, name), Path.Combine(to, name), overwrite: true);
    }

    private static void RequirePlain(JsonObject json, string path)
    {
        static bool IsOff(JsonNode? node) => node is null || node is JsonArray { Count: 0 } or JsonObject { Count: 0 } || node.GetValueKind() is JsonValueKind.False or JsonValueKind.Null;
        if (json["peft_type"]?.ToString() != "LORA")
            throw new DfpoException("lora/unsupported", $"'{path}': field 'peft_type' is '{json["peft_type"]}'; only LORA is supported.");
        if (json["bias"] is { } bias && bias.ToString() != "none")
            throw new DfpoException("lora/unsupported", $"'{path}': field 'bias' is '{bias}'; only 'none' is supported.");
        foreach (var field in new[] { "use_dora", "use_rslora", "rank_pattern", "alpha_pattern", "modules_to_save" })
            if (!IsOff(json[field]))
                throw new DfpoException("lora/unsupported", $"'{path}': field '{field}' is set, which is not supported.");
    }
}
