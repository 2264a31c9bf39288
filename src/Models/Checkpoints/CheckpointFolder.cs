using System.Text.Json;
using DfPO.Models.Gguf;
using static TorchSharp.torch;

namespace DfPO.Models.Checkpoints;

/// <summary>
/// The weights of an HF checkpoint folder: <c>model.safetensors</c> or, failing that, <c>pytorch_model.bin</c>, whole or in the shards that
/// an index names.
/// </summary>
/// <remarks>
/// The order is that of <c>from_pretrained</c> (transformers 5.24): of each format the whole file before an index, which may be left over
/// from an older save.
/// </remarks>
public sealed class CheckpointFolder : IDisposable
{
    /// <summary>Name of an unsharded weight file.</summary>
    public const string WeightsName = "model.safetensors";

    private const string TorchName = "pytorch_model.bin";
    private const string IndexSuffix = ".index.json";
    private readonly List<ITensorFile> _files = [];
    private readonly Dictionary<string, ITensorFile> _owners = [];

    private CheckpointFolder(string path) => Path = path;

    /// <summary>The folder.</summary>
    public string Path { get; }

    /// <summary>All tensor names.</summary>
    public IReadOnlyCollection<string> Names => _owners.Keys;

    /// <summary>Opens the folder's weights by memory map.</summary>
    /// <exception cref="DfpoException"><c>checkpoint/missing-folder</c>, <c>checkpoint/missing-file</c> or
    /// <c>checkpoint/corrupt</c>.</exception>
    public static CheckpointFolder Open(string path)
    {
        if (GgufModel.Find(path) is { } gguf)
        {
            var single = new CheckpointFolder(path);
            single.Add(GgufTensors.Open(gguf));
            return single;
        }
        if (!Directory.Exists(path))
            throw new DfpoException(
                "checkpoint/missing-folder",
                $"Checkpoint folder '{path}' does not exist: give a folder that holds config.json and {WeightsName}."
            );
        var folder = new CheckpointFolder(path);
        try
        {
            bool Has(string name) => File.Exists(System.IO.Path.Combine(path, name));
            if (Has(WeightsName))
                folder.Add(SafetensorsFile.Open(System.IO.Path.Combine(path, WeightsName)));
            else if (Has(WeightsName + IndexSuffix))
                folder.OpenShards(WeightsName + IndexSuffix, SafetensorsFile.Open);
            else if (Has(TorchName))
                folder.Add(TorchFile.Open(System.IO.Path.Combine(path, TorchName)));
            else if (Has(TorchName + IndexSuffix))
                folder.OpenShards(TorchName + IndexSuffix, TorchFile.Open);
            else
                throw new DfpoException(
                    "checkpoint/missing-file",
                    $"'{path}' holds no weights: {WeightsName} or {TorchName} is needed, whole or in shards with an index.{Others(path)}"
                );
            return folder;
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Opens one file, of PyTorch's where its name ends with <c>.bin</c> and of safetensors else, as if it were a folder's only one.
    /// </summary>
    /// <exception cref="DfpoException">As <see cref="Open"/>.</exception>
    public static CheckpointFolder OpenFile(string path)
    {
        var folder = new CheckpointFolder(path);
        folder.Add(path.EndsWith(".bin", StringComparison.Ordinal) ? TorchFile.Open(path) : SafetensorsFile.Open(path));
        return folder;
    }

    /// <summary>Shape and dtype of a tensor, without touching its bytes.</summary>
    public TensorEntry Entry(string name) => Owner(name).Entry(name);

    /// <summary>A tensor as <see cref="ITensorFile.Get"/> gives it.</summary>
    public Tensor Get(string name) => Owner(name).Get(name);

    /// <summary>
    /// Refuses weights that are far fewer than a model needs, before it is allocated; one that differs less gets an error that names the
    /// tensor.
    /// </summary>
    /// <exception cref="DfpoException"><c>checkpoint/shape</c>.</exception>
    public void RequireAbout(long parameterCount)
    {
        var held = Names.Sum(name => Entry(name).Shape.Aggregate(1L, (count, size) => count * size));
        if (parameterCount / 2 > held)
            throw new DfpoException(
                "checkpoint/shape",
                $"Checkpoint '{Path}': config.json describes a model of {parameterCount} parameters, but its weights hold {held}: they do not belong together."
            );
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var file in _files)
            file.Dispose();
    }

    /// <summary>What else looks like weights, such as a variant's file, which nobody asked for by name.</summary>
    private static string Others(string path)
    {
        string[] others =
        [
            .. Directory
                .EnumerateFiles(path)
                .Select(file => System.IO.Path.GetFileName(file)!)
                .Where(name => name.EndsWith(".safetensors", StringComparison.Ordinal) || name.EndsWith(".bin", StringComparison.Ordinal))
                .Order(StringComparer.Ordinal),
        ];
        return others.Length == 0 ? "" : $" It holds '{others[0]}': give it the expected name to have it loaded.";
    }

    private ITensorFile Owner(string name) =>
        _owners.TryGetValue(name, out var file)
            ? file
            : throw new DfpoException("checkpoint/missing-tensor", $"Checkpoint '{Path}' holds no tensor '{name}'.");

    private void Add(ITensorFile file)
    {
        _files.Add(file);
        foreach (var name in file.Names)
            if (!_owners.TryAdd(name, file))
                throw new DfpoException(
                    "checkpoint/corrupt",
                    $"Tensor '{name}' stands in two shards of '{Path}': fetch the checkpoint again."
                );
    }

    private void OpenShards(string indexName, Func<string, ITensorFile> open)
    {
        var index = System.IO.Path.Combine(Path, indexName);
        Dictionary<string, string> map;
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(index));
            map = document
                .RootElement.GetProperty("weight_map")
                .EnumerateObject()
                .ToDictionary(p => p.Name, p => p.Value.GetString() ?? "");
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or ArgumentException)
        {
            throw new DfpoException("checkpoint/corrupt", $"'{index}' is not a weight index ({e.Message}): fetch the checkpoint again.", e);
        }
        foreach (var shard in map.Values.Distinct().Order(StringComparer.Ordinal))
        {
            // A shard's name is data from the file: it may not point out of the folder.
            if (shard.Length == 0 || System.IO.Path.GetFileName(shard) != shard)
                throw new DfpoException("checkpoint/corrupt", $"'{index}' names the shard '{shard}', which is not a plain file name.");
            Add(open(System.IO.Path.Combine(Path, shard)));
        }
        foreach (var (name, shard) in map)
            if (!_owners.TryGetValue(name, out var owner) || System.IO.Path.GetFileName(owner.Path) != shard)
                throw new DfpoException(
                    "checkpoint/corrupt",
                    $"'{index}' says that tensor '{name}' is in '{shard}', which does not hold it."
                );
    }
}
