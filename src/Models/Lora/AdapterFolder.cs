using System.Text.Json;
using System.Text.Json.Nodes;
using DfPO.Models.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Models.Lora;

/// <summary>
/// Adapters from and to folders in PEFT's layout: <c>adapter_config.json</c> and <c>adapter_model.safetensors</c> (read: or
/// <c>adapter_model.bin</c>).
/// </summary>
public static class AdapterFolder
{
    /// <summary>Name of the configuration, which makes a folder an adapter's.</summary>
    public const string ConfigName = "adapter_config.json";

    private const string WeightsName = "adapter_model.safetensors";
    private const string TorchName = "adapter_model.bin";
    private const string Prefix = "base_model.model.";
    private const string A = ".lora_A.weight",
        B = ".lora_B.weight",
        BiasOfB = ".lora_B.bias",
        Magnitude = ".lora_magnitude_vector";
    private const string EmbeddingA = ".lora_embedding_A",
        EmbeddingB = ".lora_embedding_B",
        Rows = ".token_adapter.trainable_tokens_delta",
        BaseLayer = ".base_layer.";
    private static readonly string[] s_factors = [A, B, BiasOfB, Magnitude, EmbeddingA, EmbeddingB, Rows];

    /// <summary>Whether a folder holds an adapter.</summary>
    public static bool IsOne(string folder) => File.Exists(Path.Combine(folder, ConfigName));

    /// <summary>The base model's folder that an adapter names.</summary>
    /// <exception cref="DfpoException"><c>config/...</c> or <c>lora/base</c>: it names none that is there.</exception>
    public static string Base(string folder) =>
        NamedBase(folder) is var named && Directory.Exists(named)
            ? named
            : throw new DfpoException(
                "lora/base",
                $"'{Path.Combine(folder, ConfigName)}': field 'base_model_name_or_path' is '{named}', which is no folder here: set it to the base model's."
            );

    /// <summary>Whether the base that an adapter names is a folder here.</summary>
    public static bool HasBase(string folder) => Directory.Exists(NamedBase(folder));

    /// <summary>Writes the two files so that PEFT loads them.</summary>
    /// <param name="folder">Created when absent; existing files are replaced whole.</param>
    /// <param name="adapters">Adapters that <see cref="LoraAdapters.Create"/> made.</param>
    /// <param name="model">The model beside which they stand, or one of its shape.</param>
    /// <param name="basePath">Folder of the base model, as the configuration shall name it.</param>
    public static void Save(string folder, LoraAdapters adapters, LanguageModel model, string basePath)
    {
        Directory.CreateDirectory(folder);
        using (NewDisposeScope())
            SafetensorsWriter.Write(
                Path.Combine(folder, WeightsName),
                adapters
                    .named_parameters()
                    .Where(p => p.name != LoraAdapters.AlphaName)
                    .ToDictionary(p => Prefix + p.name, p => (Tensor)p.parameter)
            );
        var projections = LoraAdapters.Projections(model);
        // Every field of PEFT 0.21 that a reader may look at, at the value that it would write.
        var json = new JsonObject
        {
            ["alora_invocation_tokens"] = null,
            ["alpha_pattern"] = new JsonObject(),
            ["auto_mapping"] = null,
            ["base_model_name_or_path"] = basePath,
            ["bias"] = "none",
            ["ensure_weight_tying"] = false,
            ["exclude_modules"] = null,
            ["fan_in_fan_out"] = adapters.Paths.Any(path => projections[path].FanInFanOut),
            ["inference_mode"] = true,
            ["init_lora_weights"] = true,
            ["layer_replication"] = null,
            ["layers_pattern"] = null,
            ["layers_to_transform"] = null,
            ["loftq_config"] = new JsonObject(),
            ["lora_alpha"] = adapters.Alpha == Math.Floor(adapters.Alpha) ? (int)adapters.Alpha : adapters.Alpha,
            ["lora_bias"] = false,
            ["lora_dropout"] = 0.0,
            ["megatron_config"] = null,
            ["megatron_core"] = "megatron.core",
            ["modules_to_save"] = null,
            ["peft_type"] = "LORA",
            ["qalora_group_size"] = 16,
            ["r"] = adapters.Rank,
            ["rank_pattern"] = new JsonObject(),
            ["revision"] = null,
            ["target_modules"] = new JsonArray([.. adapters.Paths.Select(path => JsonValue.Create(path))]),
            ["target_parameters"] = null,
            ["task_type"] = model.Config.IsEncoderDecoder ? "SEQ_2_SEQ_LM" : "CAUSAL_LM",
            ["trainable_token_indices"] = null,
            ["use_dora"] = false,
            ["use_qalora"] = false,
            ["use_rslora"] = false,
        };
        var partial = Path.Combine(folder, ConfigName + ".partial");
        File.WriteAllText(partial, json.ToJsonString(new JsonSerializerOptions { WriteIndented = true }) + "\n");
        File.Move(partial, Path.Combine(folder, ConfigName), overwrite: true);
    }

    /// <summary>Reads an adapter; it stands beside no model yet.</summary>
    /// <param name="folder">An adapter's folder.</param>
    /// <param name="device">Where it lives; CPU when null.</param>
    /// <exception cref="DfpoException">A missing or broken file, <c>lora/unsupported</c> for kinds of adapters that this does not compute,
    /// <c>lora/shape</c>.</exception>
    public static PeftAdapter Load(string folder, Device? device = null)
    {
        var path = Path.Combine(folder, ConfigName);
        var config = new AdapterConfig(path);
        using var file = CheckpointFolder.OpenFile(WeightsOf(folder));
        if (file.Names.FirstOrDefault(name => !name.StartsWith(Prefix, StringComparison.Ordinal)) is { } surplus)
            throw new DfpoException("lora/unsupported", $"'{file.Path}' holds tensor '{surplus}', which is not a factor of an adapter.");
        var names = file.Names.Select(name => name[Prefix.Length..]).ToHashSet();
        long[] Shape(string name) =>
            names.Contains(name)
                ? file.Entry(Prefix + name).Shape
                : throw new DfpoException(
                    "lora/shape",
                    $"'{file.Path}' holds no '{Prefix}{name}', which belongs to the others of its layer."
                );
        var shapes = new List<LoraShape>();
        var used = new HashSet<string>();
        foreach (
            var name in names
                .Where(name => name.EndsWith(A, StringComparison.Ordinal) || name.EndsWith(EmbeddingA, StringComparison.Ordinal))
                .Order(StringComparer.Ordinal)
        )
        {
            var embedding = name.EndsWith(EmbeddingA, StringComparison.Ordinal);
            var layer = name[..^(embedding ? EmbeddingA : A).Length];
            var second = layer + (embedding ? EmbeddingB : B);
            long[] a = Shape(name),
                b = Shape(second);
            if (
                a.Length != 2
                || b.Length != 2
                || a[0] != b[1]
                || layer.Split('.').Any(part => part is "" or "lora_A" or "lora_B" or LoraAdapters.AlphaName)
            )
                throw new DfpoException(
                    "lora/shape",
                    $"'{file.Path}': the factors of '{layer}', [{string.Join(", ", a)}] and [{string.Join(", ", b)}], are not [rank, in] and [out, rank]."
                );
            if (config.RankOf(layer) is var rank && rank != a[0])
                throw new DfpoException(
                    "lora/shape",
                    $"'{path}' says r = {rank} for the layer '{layer}', but its factors in '{file.Path}' have a rank of {a[0]}."
                );
            var shape = new LoraShape(layer, a[1], b[0], rank, config.ScaleOf(layer))
            {
                HasMagnitude = config.UsesDora,
                HasBias = config.HasBiasInB && !embedding,
                IsEmbedding = embedding,
            };
            used.UnionWith([name, second]);
            foreach (var (suffix, expected) in new[] { (Magnitude, shape.HasMagnitude), (BiasOfB, shape.HasBias) })
                if (expected && Shape(layer + suffix) is var vector && used.Add(layer + suffix) && !vector.SequenceEqual([shape.Out]))
                    throw new DfpoException(
                        "lora/shape",
                        $"'{file.Path}': tensor '{Prefix}{layer}{suffix}' has shape [{string.Join(", ", vector)}] where [{shape.Out}] is needed."
                    );
            shapes.Add(shape);
        }
        if (shapes.Count == 0)
            throw new DfpoException("lora/shape", $"'{file.Path}' holds no adapter: tensors named '...{A}' are needed.");
        var rows = TokenRowsOf(config, file, names, used);
        if (names.Except(used).FirstOrDefault(name => s_factors.Any(suffix => name.EndsWith(suffix, StringComparison.Ordinal))) is { } odd)
            throw new DfpoException(
                "lora/unsupported",
                $"'{file.Path}' holds tensor '{Prefix}{odd}', which no field of '{path}' speaks of."
            );
        var factors = new LoraAdapters(shapes, rows, config.Rank, config.Alpha, device ?? CPU, ScalarType.Float32);
        factors.CopyFrom(name => file.Get(Prefix + name));
        var values = new Dictionary<string, Tensor>();
        var adapter = new PeftAdapter(config, factors, values, file.Path);
        foreach (var name in names.Except(used))
            if (!values.TryAdd(name.Replace(BaseLayer, ".", StringComparison.Ordinal), ValueOf(name)))
            {
                adapter.Dispose();
                throw new DfpoException("lora/unsupported", $"'{file.Path}' holds tensor '{Prefix}{name}' under two names.");
            }
        return adapter;

        Tensor ValueOf(string name)
        {
            using var scope = NewDisposeScope();
            return file.Get(Prefix + name).to(ScalarType.Float32, device ?? CPU, copy: true).DetachFromDisposeScope();
        }
    }

    /// <summary>Copies configuration and weights.</summary>
    /// <param name="folder">An adapter's folder.</param>
    /// <param name="to">Created when absent.</param>
    public static void Copy(string folder, string to)
    {
        Directory.CreateDirectory(to);
        foreach (var path in new[] { Path.Combine(folder, ConfigName), WeightsOf(folder) })
            File.Copy(path, Path.Combine(to, Path.GetFileName(path)), overwrite: true);
    }

    private static string NamedBase(string folder)
    {
        var path = Path.Combine(folder, ConfigName);
        return new HfConfigReader(HfConfigReader.ReadFile(path), path).Text("base_model_name_or_path", "");
    }

    // In PEFT's order.
    private static string WeightsOf(string folder) =>
        Path.Combine(
            folder,
            !File.Exists(Path.Combine(folder, WeightsName)) && File.Exists(Path.Combine(folder, TorchName)) ? TorchName : WeightsName
        );

    /// <summary>
    /// The rows that tokens have of their own: which embedding, which ids, and how wide. How many rows the embedding has is known beside a
    /// model; the ids need not more than the largest.
    /// </summary>
    private static List<(string Path, int[] Ids, long Rows, long Width)> TokenRowsOf(
        AdapterConfig config,
        CheckpointFolder file,
        HashSet<string> names,
        HashSet<string> used
    )
    {
        var found = new List<(string, int[], long, long)>();
        foreach (var name in names.Where(name => name.EndsWith(Rows, StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            var path = name[..^Rows.Length];
            var (of, ids) = config.TrainableTokens.FirstOrDefault(pair => pair.Key.Length == 0 || LoraOptions.Matches(path, pair.Key));
            var shape = file.Entry(Prefix + name).Shape;
            if (of is null)
                throw config.Unsupported(
                    "trainable_token_indices",
                    $"does not name the embedding '{path}', but '{file.Path}' holds rows for it"
                );
            if (
                ids.Length == 0
                || ids.Distinct().Count() != ids.Length
                || ids.Any(id => id is < 0 or > 1 << 24)
                || shape.Length != 2
                || shape[0] != ids.Length
            )
                throw new DfpoException(
                    "lora/shape",
                    $"'{file.Path}': tensor '{Prefix}{name}' has shape [{string.Join(", ", shape)}], but 'trainable_token_indices' names {ids.Length} tokens, each of which must be named once."
                );
            used.Add(name);
            found.Add((path, ids, ids.Max() + 1, shape[1]));
        }
        return found.Count == config.TrainableTokens.Count
            ? found
            : throw config.Unsupported("trainable_token_indices", $"names embeddings for which '{file.Path}' holds no rows");
    }
}
