using System.Text.Json;
using System.Text.Json.Nodes;
using DfPO.Models.Checkpoints;
using DfPO.Models.Classifiers;
using DfPO.Models.Decoders;
using DfPO.Models.Gguf;
using DfPO.Models.Gpt2;
using DfPO.Models.Lora;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models;

/// <summary>Models from and to checkpoint folders in HF layout: <c>config.json</c> and safetensors weights.</summary>
public static class PretrainedModels
{
    private const string ConfigName = "config.json";
    private const string ValueHead = "v_head.";
    private static readonly string[] s_bodies = ["transformer.", "model.", "gpt_neox.", "bert.", "roberta.", "distilbert."];
    private static readonly string[] s_embeddings = ["wte.weight", "embed_tokens.weight", "embed_in.weight", "shared.weight"];
    private static readonly string[] s_buffers =
    [
        ".attn.bias",
        ".attn.masked_bias",
        ".attention.bias",
        ".attention.masked_bias",
        ".rotary_emb.inv_freq",
        ".EncDecAttention.relative_attention_bias.weight",
    ];

    /// <summary>Loads a language model of any known architecture; of an adapter's folder its base, with the adapter merged in.</summary>
    /// <param name="folder">The checkpoint.</param>
    /// <param name="device">Where its parameters live; CPU when null.</param>
    /// <param name="dtype">Their dtype, whatever the file's.</param>
    /// <exception cref="DfpoException">A missing or broken file, an unknown <c>model_type</c>, a missing, surplus or misshapen
    /// tensor.</exception>
    public static LanguageModel LoadLanguageModel(string folder, Device? device = null, ScalarType dtype = ScalarType.Float32)
    {
        if (AdapterFolder.IsOne(folder))
            return LoadMerged(folder, device, dtype);
        var (architecture, config) = Read(folder);
        return Load(
            config.ParameterCount,
            () => architecture.Build(config, device, dtype),
            folder,
            optional: name => IsTiedCopy(name) || IsValueHead(name, folder)
        );
    }

    /// <summary>Loads a decoder-only language model; see <see cref="LoadLanguageModel"/>.</summary>
    /// <exception cref="DfpoException">As there, and <c>model/kind</c> for an encoder-decoder model.</exception>
    public static CausalLM LoadCausalLM(string folder, Device? device = null, ScalarType dtype = ScalarType.Float32)
    {
        var config = ReadConfig(folder);
        if (config.IsEncoderDecoder)
            throw new DfpoException(
                "model/kind",
                $"'{folder}' holds an encoder-decoder model ('{config.ModelType}') where a decoder-only one is needed."
            );
        return (CausalLM)LoadLanguageModel(folder, device, dtype);
    }

    /// <summary>
    /// Loads a sequence classifier by its <c>model_type</c>: an encoder, or the body of a decoder-only model with a head on its last token;
    /// see <see cref="LoadLanguageModel"/>.
    /// </summary>
    public static SequenceClassifier LoadSequenceClassifier(string folder, Device? device = null, ScalarType dtype = ScalarType.Float32)
    {
        if (ReadEncoderConfig(folder) is { } encoder)
            return Load(encoder.ParameterCount, () => EncoderClassifier.Create(encoder, device, dtype), folder, EncoderCheckpoint.IsIdle);
        var config = ReadConfig(folder);
        return Load(config.ParameterCount, () => BuildClassifier(config, folder, device, dtype), folder, optional: _ => false);
    }

    /// <summary>A classifier with a fresh head on the body of a language model, classifier or encoder, whatever stands on it.</summary>
    /// <param name="folder">The language model's or encoder's checkpoint.</param>
    /// <param name="labels">Names of the classes.</param>
    /// <param name="seed">Decides the head's weights.</param>
    /// <param name="device">Where its parameters live; CPU when null.</param>
    /// <exception cref="DfpoException">As <see cref="LoadLanguageModel"/>, and <c>model/kind</c> for an encoder-decoder model.</exception>
    public static SequenceClassifier CreateSequenceClassifier(
        string folder,
        IReadOnlyList<string> labels,
        ulong seed,
        Device? device = null
    )
    {
        // What the labels were before goes with the head.
        static JsonObject Without(JsonObject json)
        {
            var copy = (JsonObject)json.DeepClone();
            copy.Remove("problem_type");
            return copy;
        }
        SequenceClassifier model;
        Func<string, bool> isHead;
        if (ReadEncoderConfig(folder) is { } encoder)
            (model, isHead) = (
                EncoderClassifier.Create(encoder with { Labels = labels, ProblemType = "", Raw = Without(encoder.Raw) }, device),
                EncoderCheckpoint.IsHead
            );
        else
        {
            var config = ReadConfig(folder);
            model = BuildClassifier(config with { Labels = labels, Raw = Without(config.Raw) }, folder, device, ScalarType.Float32);
            isHead = IsOutput;
        }
        try
        {
            model.Initialise(seed);
            using var weights = CheckpointFolder.Open(folder);
            LoadWeights(model, weights, _ => true, isHead, IsOutput);
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Whether a parameter is of a classifier's last layer, whose rows are the labels.</summary>
    private static bool IsOutput(string name) => name is "score.weight" or "classifier.weight" or "classifier.bias"
        || name.StartsWith("classifier.out_proj.", StringComparison.Ordinal);

    private static SequenceClassifier BuildClassifier(ModelConfig config, string folder, Device? device, ScalarType dtype) =>
        config switch
        {
            Gpt2Config gpt2 => new Gpt2ForSequenceClassification(gpt2, device, dtype),
            DecoderConfig decoder => new DecoderForSequenceClassification(decoder, device, dtype),
            _ => throw new DfpoException(
                "model/kind",
                $"'{folder}' holds a model of type '{config.ModelType}', which cannot be used here: an encoder or a decoder-only model is needed."
            ),
        };

    /// <summary>
    /// Loads an encoder for its hidden states, whatever stands on it in the file: a language model's head, a classifier, or nothing. The
    /// head of what comes back holds no weights to be used.
    /// </summary>
    /// <exception cref="DfpoException">As <see cref="LoadLanguageModel"/>, and <c>model/kind</c> for a model that is no
    /// encoder.</exception>
    public static EncoderClassifier LoadEncoder(string folder, Device? device = null, ScalarType dtype = ScalarType.Float32)
    {
        var config = ReadEncoderConfig(folder)
            ?? throw new DfpoException(
                "model/kind",
                $"'{folder}' holds a model of type '{ReadConfig(folder).ModelType}' where an encoder is needed: BERT, RoBERTa or DistilBERT."
            );
        return Load(
            config.ParameterCount,
            () => EncoderClassifier.Create(config, device, dtype),
            folder,
            name => EncoderCheckpoint.IsIdle(name) || EncoderCheckpoint.IsHead(name),
            EncoderCheckpoint.IsHead
        );
    }

    /// <summary>Names of a classifier's classes by id; its weights are not touched.</summary>
    public static IReadOnlyList<string> ReadLabels(string folder) => ReadEncoderConfig(folder)?.Labels ?? ReadConfig(folder).Labels;

    /// <summary>Parameters of a sequence classifier, of an encoder or of a language model's body; its weights are not touched.</summary>
    public static long ReadClassifierSize(string folder) => ReadEncoderConfig(folder)?.ParameterCount ?? ReadConfig(folder).ParameterCount;

    /// <summary>Reads a folder's configuration, whatever the architecture; no weights are touched.</summary>
    /// <exception cref="DfpoException"><c>checkpoint/missing-folder</c>, <c>config/...</c> or <c>model/unknown-type</c>.</exception>
    public static ModelConfig ReadConfig(string folder) => Read(folder).Config;

    /// <summary>Reads a folder's configuration where only one architecture will do.</summary>
    /// <exception cref="DfpoException">As <see cref="ReadConfig(string)"/>, and <c>model/kind</c> for another architecture.</exception>
    public static T ReadConfig<T>(string folder)
        where T : ModelConfig =>
        ReadConfig(folder) is var config && config is T typed
            ? typed
            : throw new DfpoException(
                "model/kind",
                $"'{folder}' holds a model of type '{config.ModelType}', which cannot be used here: {typeof(T).Name[..^"Config".Length]} is needed."
            );

    /// <summary>
    /// Writes <c>config.json</c> and <c>model.safetensors</c> so that HF's transformers loads them: same keys, dtypes and fields.
    /// </summary>
    /// <param name="folder">Created when absent; existing files are replaced whole.</param>
    /// <param name="model">An <see cref="IPretrainedModel"/>.</param>
    /// <param name="dtype">Dtype of the saved weights.</param>
    public static void Save(string folder, nn.Module model, ScalarType dtype)
    {
        Directory.CreateDirectory(folder);
        var config = model switch
        {
            IPretrainedModel pretrained => pretrained.Config.ToJson(pretrained.Architecture, Dtypes.TorchName(dtype)),
            EncoderClassifier encoder => encoder.Config.ToJson(encoder.Architecture, Dtypes.TorchName(dtype)),
            _ => throw new ArgumentException($"{model.GetName()} has no checkpoint layout.", nameof(model)),
        };
        using (NewDisposeScope())
        using (no_grad())
            SafetensorsWriter.Write(
                Path.Combine(folder, CheckpointFolder.WeightsName),
                model.state_dict().ToDictionary(pair => pair.Key, pair => pair.Value.to(dtype))
            );
        WriteJson(Path.Combine(folder, ConfigName), config);
    }

    /// <summary>
    /// Copies tensors into a model's parameters by name, converting dtype and device; the hub's bare key layout is understood.
    /// </summary>
    /// <param name="model">Receives the values; left as it is when the file does not fit.</param>
    /// <param name="weights">An open checkpoint.</param>
    /// <param name="optional">Names in the file that the model may lack.</param>
    /// <param name="fresh">Parameters of the model that the file may lack, such as a new head; none when null.</param>
    /// <param name="kept">Parameters that stay as they are, whatever the file has for them; none when null.</param>
    /// <exception cref="DfpoException"><c>checkpoint/missing-tensor</c>, <c>checkpoint/unknown-tensor</c> or
    /// <c>checkpoint/shape</c>.</exception>
    public static void LoadWeights(
        nn.Module model,
        CheckpointFolder weights,
        Func<string, bool> optional,
        Func<string, bool>? fresh = null,
        Func<string, bool>? kept = null
    )
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var matched = Match(model, weights, optional, fresh, kept);
        if (model is LanguageModel)
            foreach (var copy in weights.Names.Where(IsTiedCopy).Except(matched.Select(pair => pair.Key)))
                RequireCopy(weights, copy, matched);
        foreach (var (parameter, key) in matched)
            parameter.copy_(weights.Get(key));
    }

    /// <summary>
    /// Refuses a second tensor for a weight that the model has once, unless it says the same: versions of transformers differ in which of
    /// the two they take.
    /// </summary>
    private static void RequireCopy(CheckpointFolder weights, string copy, List<(Tensor Parameter, string Key)> matched)
    {
        using var scope = NewDisposeScope();
        var of = matched.Select(pair => pair.Key).First(key => s_embeddings.Any(name => key.EndsWith(name, StringComparison.Ordinal)));
        if (!weights.Entry(copy).Shape.SequenceEqual(weights.Entry(of).Shape) || !weights.Get(copy).eq(weights.Get(of)).all().item<bool>())
            throw new DfpoException(
                "checkpoint/tied-copy",
                $"Checkpoint '{weights.Path}' holds '{copy}' with other numbers than '{of}', which it shares according to config.json: set tie_word_embeddings to false if the model has a head of its own, or remove the tensor."
            );
    }

    /// <summary>The tensor of the file that belongs to each parameter, by names and shapes alone.</summary>
    private static List<(Tensor Parameter, string Key)> Match(
        nn.Module model,
        CheckpointFolder weights,
        Func<string, bool> optional,
        Func<string, bool>? fresh,
        Func<string, bool>? kept
    )
    {
        var matched = new List<(Tensor, string)>();
        var unused = weights.Names.Where(name => !IsBuffer(name)).ToHashSet();
        // Files of a body without a head lack the body's name.
        var body = s_bodies.FirstOrDefault(prefix =>
            model.named_parameters().Any(p => p.name.StartsWith(prefix, StringComparison.Ordinal))
        );
        var bare = body is not null && !weights.Names.Any(name => name.StartsWith(body, StringComparison.Ordinal));
        foreach (var (name, parameter) in model.named_parameters())
        {
            if (kept?.Invoke(name) == true || (fresh?.Invoke(name) == true && !weights.Names.Contains(name)))
                continue;
            var key = bare && name.StartsWith(body!, StringComparison.Ordinal) ? name[body!.Length..] : name;
            if (!weights.Names.Contains(key) && OldName(key) is { } old && weights.Names.Contains(old))
                key = old;
            var entry = weights.Entry(key);
            if (!entry.Shape.SequenceEqual(parameter.shape))
                throw new DfpoException(
                    "checkpoint/shape",
                    $"Checkpoint '{weights.Path}': tensor '{key}' has shape [{string.Join(", ", entry.Shape)}], the model that config.json describes needs [{string.Join(", ", parameter.shape)}]."
                );
            matched.Add((parameter, key));
            unused.Remove(key);
        }
        if (unused.FirstOrDefault(name => !optional(name)) is { } surplus)
            throw new DfpoException(
                "checkpoint/unknown-tensor",
                $"Checkpoint '{weights.Path}' holds tensor '{surplus}', which the model that config.json describes does not have."
            );
        return matched;
    }

    /// <summary>The configuration of an encoder; null when the folder holds another kind of model, or none.</summary>
    private static EncoderConfig? ReadEncoderConfig(string folder)
    {
        var path = Path.Combine(folder, ConfigName);
        return File.Exists(path) && HfConfigReader.ReadFile(path) is var json && EncoderCheckpoint.Knows(json)
            ? EncoderConfig.Parse(json, path)
            : null;
    }

    private static LanguageModel LoadMerged(string folder, Device? device, ScalarType dtype)
    {
        using var adapter = AdapterFolder.Load(folder, device);
        return adapter.LoadMerged(AdapterFolder.Base(folder), device, dtype);
    }

    private static T Load<T>(long parameters, Func<T> build, string folder, Func<string, bool> optional, Func<string, bool>? fresh = null)
        where T : nn.Module
    {
        using var weights = CheckpointFolder.Open(folder);
        weights.RequireAbout(parameters);
        var model = build();
        try
        {
            LoadWeights(model, weights, optional, fresh);
            model.eval();
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>
    /// What published files carry among the weights though nothing is learnt there: constant masks, rotary frequencies, and a bias that T5
    /// never uses.
    /// </summary>
    private static bool IsBuffer(string name) => s_buffers.Any(buffer => name.EndsWith(buffer, StringComparison.Ordinal));

    /// <summary>A tied weight that a file holds once more under another name.</summary>
    private static bool IsTiedCopy(string name) =>
        name is "lm_head.weight" or "embed_out.weight" or "encoder.embed_tokens.weight" or "decoder.embed_tokens.weight";

    /// <summary>The head of a value model that TRL saves among a policy's weights.</summary>
    private static bool IsValueHead(string name, string folder)
    {
        if (!name.StartsWith(ValueHead, StringComparison.Ordinal))
            return false;
        Notices.Tell(
            $"'{folder}' holds a value head ({ValueHead}*) beside the language model; it is left out, for value models here start from the policy's body with a fresh head."
        );
        return true;
    }

    /// <summary>A parameter's name in files of TensorFlow's time, which BERT's have kept: gamma and beta of a layer norm.</summary>
    private static string? OldName(string name) =>
        name.EndsWith("LayerNorm.weight", StringComparison.Ordinal) ? name[..^"weight".Length] + "gamma"
        : name.EndsWith("LayerNorm.bias", StringComparison.Ordinal) ? name[..^"bias".Length] + "beta"
        : null;

    private static (Architecture Architecture, ModelConfig Config) Read(string folder)
    {
        if (AdapterFolder.IsOne(folder))
            return Read(AdapterFolder.Base(folder));
        if (GgufModel.Find(folder) is { } gguf)
            return Read(GgufModel.ReadConfig(gguf), gguf);
        if (!Directory.Exists(folder))
            throw new DfpoException(
                "checkpoint/missing-folder",
                $"Checkpoint folder '{folder}' does not exist: give a folder that holds config.json and model.safetensors."
            );
        var path = Path.Combine(folder, ConfigName);
        return Read(HfConfigReader.ReadFile(path), path);
    }

    private static (Architecture Architecture, ModelConfig Config) Read(JsonObject json, string path)
    {
        var architecture = Architectures.Of(json, path);
        return (architecture, architecture.Parse(json, path));
    }

    private static void WriteJson(string path, JsonObject json)
    {
        var partial = path + ".partial";
        File.WriteAllText(partial, json.ToJsonString(new JsonSerializerOptions { WriteIndented = true }) + "\n");
        File.Move(partial, path, overwrite: true);
    }
}
