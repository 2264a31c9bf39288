using System.Text.Json;
using System.Text.Json.Nodes;
using DfPO.Models.Checkpoints;
using DfPO.Models.Classifiers;
using DfPO.Models.Gpt2;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models;

/// <summary>Models from and to checkpoint folders in HF layout: <c>config.json</c> and safetensors weights.</summary>
public static class PretrainedModels
{
    private const string ConfigName = "config.json";

    /// <summary>Loads a decoder-only language model.</summary>
    /// <param name="folder">The checkpoint.</param>
    /// <param name="device">Where its parameters live; CPU when null.</param>
    /// <param name="dtype">Their dtype, whatever the file's.</param>
    /// <exception cref="DfpoException">A missing or broken file, an unknown <c>model_type</c>, a missing, surplus or misshapen tensor.</exception>
    public static CausalLM LoadCausalLM(string folder, Device? device = null, ScalarType dtype = ScalarType.Float32)
    {
        var config = ReadGpt2Config(folder);
        return Load(config, () => new Gpt2LMHeadModel(config, device, dtype), folder, optional: name => name is "lm_head.weight");
    }

    /// <summary>Loads a sequence classifier by its <c>model_type</c>: gpt2, bert, distilbert or roberta; see <see cref="LoadCausalLM"/>.</summary>
    public static SequenceClassifier LoadSequenceClassifier(string folder, Device? device = null, ScalarType dtype = ScalarType.Float32)
    {
        if (ReadEncoderConfig(folder) is { } encoder)
            return EncoderCheckpoint.Load(encoder, folder, device, dtype);
        var config = ReadGpt2Config(folder);
        return Load(config, () => new Gpt2ForSequenceClassification(config, device, dtype), folder, optional: _ => false);
    }

    /// <summary>Names of a classifier's classes by id; its weights are not touched.</summary>
    public static IReadOnlyList<string> ReadLabels(string folder) => ReadEncoderConfig(folder)?.Labels ?? ReadGpt2Config(folder).Labels;

    /// <summary>Reads a folder's configuration; only <c>model_type</c> gpt2 is known.</summary>
    public static Gpt2Config ReadGpt2Config(string folder)
    {
        if (!Directory.Exists(folder))
            throw new DfpoException("checkpoint/missing-folder", $"Checkpoint folder '{folder}' does not exist: give a folder that holds config.json and model.safetensors.");
        var path = Path.Combine(folder, ConfigName);
        var json = HfConfigReader.ReadFile(path);
        var type = new HfConfigReader(json, path).Text("model_type", "");
        if (type != "gpt2")
            throw new DfpoException("model/unknown-type", $"'{path}': model_type '{type}' is not supported; 'gpt2' is.");
        return Gpt2Config.Parse(json, path);
    }

    /// <summary>Writes <c>config.json</c> and <c>model.safetensors</c> so that HF's transformers loads them: same keys, dtypes and fields.</summary>
    /// <param name="folder">Created when absent; existing files are replaced whole.</param>
    /// <param name="model">A language model or classifier.</param>
    /// <param name="dtype">Dtype of the saved weights.</param>
    public static void Save(string folder, nn.Module model, ScalarType dtype)
    {
        Directory.CreateDirectory(folder);
        (Func<string, string, JsonObject> Config, string Architecture) layout = model switch
        {
            Gpt2LMHeadModel lm => (lm.Config.ToJson, "GPT2LMHeadModel"),
            Gpt2ForSequenceClassification classifier => (classifier.Config.ToJson, "GPT2ForSequenceClassification"),
            EncoderClassifier encoder => (encoder.Config.ToJson, encoder.Architecture),
            _ => throw new ArgumentException($"{model.GetName()} has no checkpoint layout.", nameof(model)),
        };
        using (NewDisposeScope())
        using (no_grad())
            SafetensorsWriter.Write(Path.Combine(folder, CheckpointFolder.WeightsName), model.state_dict().ToDictionary(pair => pair.Key, pair => pair.Value.to(dtype)));
        WriteJson(Path.Combine(folder, ConfigName), layout.Config(layout.Architecture, Dtypes.TorchName(dtype)));
    }

    /// <summary>Copies tensors into a model's parameters by name, converting dtype and device; the hub's bare key layout is understood.</summary>
    /// <param name="model">Receives the values; left as it is when the file does not fit.</param>
    /// <param name="weights">An open checkpoint.</param>
    /// <param name="optional">Names in the file that the model may lack.</param>
    /// <param name="fresh">Parameters of the model that the file may lack, such as a new head; none when null.</param>
    /// <exception cref="DfpoException"><c>checkpoint/missing-tensor</c>, <c>checkpoint/unknown-tensor</c> or <c>checkpoint/shape</c>.</exception>
    public static void LoadWeights(nn.Module model, CheckpointFolder weights, Func<string, bool> optional, Func<string, bool>? fresh = null)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        foreach (var (parameter, key) in Match(model, weights, optional, fresh))
            parameter.copy_(weights.Get(key));
    }

    /// <summary>The tensor of the file that belongs to each parameter, by names and shapes alone.</summary>
    private static List<(Tensor Parameter, string Key)> Match(nn.Module model, CheckpointFolder weights, Func<string, bool> optional, Func<string, bool>? fresh)
    {
        const string Body = "transformer.";
        var matched = new List<(Tensor, string)>();
        var bare = !weights.Names.Any(name => name.StartsWith(Body, StringComparison.Ordinal));
        var unused = weights.Names.Where(name => !IsCausalBuffer(name)).ToHashSet();
        foreach (var (name, parameter) in model.named_parameters())
        {
            if (fresh?.Invoke(name) == true && !weights.Names.Contains(name))
                continue;
            var key = bare && name.StartsWith(Body, StringComparison.Ordinal) ? name[Body.Length..] : name;
            var entry = weights.Entry(key);
            if (!entry.Shape.SequenceEqual(parameter.shape))
                throw new DfpoException("checkpoint/shape",
                    $"Checkpoint '{weights.Path}': tensor '{key}' has shape [{string.Join(", ", entry.Shape)}], the model that config.json describes needs [{string.Join(", ", parameter.shape)}].");
            matched.Add((parameter, key));
            unused.Remove(key);
        }
        if (unused.FirstOrDefault(name => !optional(name)) is { } surplus)
            throw new DfpoException("checkpoint/unknown-tensor", $"Checkpoint '{weights.Path}' holds tensor '{surplus}', which the model that config.json describes does not have.");
        return matched;
    }

    /// <summary>The configuration of an encoder; null when the folder holds another kind of model, or none.</summary>
    private static EncoderConfig? ReadEncoderConfig(string folder)
    {
        var path = Path.Combine(folder, ConfigName);
        return File.Exists(path) && HfConfigReader.ReadFile(path) is var json && EncoderCheckpoint.Knows(json) ? EncoderConfig.Parse(json, path) : null;
    }

    private static T Load<T>(Gpt2Config config, Func<T> build, string folder, Func<string, bool> optional) where T : nn.Module
    {
        using var weights = CheckpointFolder.Open(folder);
        weights.RequireAbout(config.ParameterCount);
        var model = build();
        try
        {
            LoadWeights(model, weights, optional);
            model.eval();
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Constant masks that the hub's GPT-2 files carry among the weights.</summary>
    private static bool IsCausalBuffer(string name) =>
        name.EndsWith(".attn.bias", StringComparison.Ordinal) || name.EndsWith(".attn.masked_bias", StringComparison.Ordinal);

    private static void WriteJson(string path, JsonObject json)
    {
        var partial = path + ".partial";
        File.WriteAllText(partial, json.ToJsonString(new JsonSerializerOptions { WriteIndented = true }) + "\n");
        File.Move(partial, path, overwrite: true);
    }
}
