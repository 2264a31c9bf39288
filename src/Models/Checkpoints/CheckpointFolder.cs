using System.Text.Json;
using static TorchSharp.torch;

namespace DfPO.Models.Checkpoints;

/// <summary>The weights of an HF checkpoint folder: <c>model.safetensors</c>, or the shards named by <c>model.safetensors.index.json</c>.</summary>
public sealed class CheckpointFolder : IDisposable
{
    /// <summary>Name of an unsharded weight file.</summary>
    public const string WeightsName = "model.safetensors";

    private const string IndexName = "model.safetensors.index.json";
    private readonly List<SafetensorsFile> _files = [];
    private readonly Dictionary<string, SafetensorsFile> _owners = [];

    private CheckpointFolder(string path) => Path = path;

    /// <summary>The folder.</summary>
    public string Path { get; }

    /// <summary>All tensor names.</summary>
    public IReadOnlyCollection<string> Names => _owners.Keys;

    /// <summary>Opens the folder's weights by memory map.</summary>
    /// <exception cref="DfpoException"><c>checkpoint/missing-folder</c>, <c>checkpoint/missing-file</c> or <c>checkpoint/corrupt</c>.</exception>
    public static CheckpointFolder Open(string path)
    {
        if (!Directory.Exists(path))
            throw new DfpoException("checkpoint/missing-folder", $"Checkpoint folder '{path}' does not exist: give a folder that holds config.json and {WeightsName}.");
        var folder = new CheckpointFolder(path);
        try
        {
            if (File.Exists(System.IO.Path.Combine(path, IndexName)))
                folder.OpenShards();
            else
                folder.Add(SafetensorsFile.Open(System.IO.Path.Combine(path, WeightsName)));
            return folder;
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    /// <summary>Opens one safetensors file as if it were a folder's only one.</summary>
    /// <exception cref="DfpoException">As <see cref="Open"/>.</exception>
    public static CheckpointFolder OpenFile(string path)
    {
        var folder = new CheckpointFolder(path);
        folder.Add(SafetensorsFile.Open(path));
        return folder;
    }

    /// <summary>Shape and dtype of a tensor, without touching its bytes.</summary>
    public SafetensorsEntry Entry(string name) => Owner(name).Header.Entries[name];

    /// <summary>A tensor as <see cref="SafetensorsFile.Get"/> gives it.</summary>
    public Tensor Get(string name) => Owner(name).Get(name);

    /// <summary>Refuses weights that are far fewer than a model needs, before it is allocated; one that differs less gets an error that names the tensor.</summary>
    /// <exception cref="DfpoException"><c>checkpoint/shape</c>.</exception>
    public void RequireAbout(long parameterCount)
    {
        var held = Names.Sum(name => Entry(name).Shape.Aggregate(1L, (count, size) => count * size));
        if (parameterCount / 2 > held)
            throw new DfpoException("checkpoint/shape", $"Checkpoint '{Path}': config.json describes a model of {parameterCount} parameters, but its weights hold {held}: they do not belong together.");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var file in _files)
            file.Dispose();
    }

    private SafetensorsFile Owner(string name) => _owners.TryGetValue(name, out var file)
        ? file
        : throw new DfpoException("checkpoint/missing-tensor", $"Checkpoint '{Path}' holds no tensor '{name}'.");

    private void Add(SafetensorsFile file)
    {
        _files.Add(file);
        foreach (var name in file.Header.Entries.Keys)
            if (!_owners.TryAdd(name, file))
                throw new DfpoException("checkpoint/corrupt", $"Tensor '{name}' stands in two shards of '{Path}': fetch the checkpoint again.");
    }

    private void OpenShards()
    {
        var index = System.IO.Path.Combine(Path, IndexName);
        Dictionary<string, string> map;
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(index));
            map = document.RootElement.GetProperty("weight_map").EnumerateObject().ToDictionary(p => p.Name, p => p.Value.GetString() ?? "");
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
            Add(SafetensorsFile.Open(System.IO.Path.Combine(Path, shard)));
        }
        foreach (var (name, shard) in map)
            if (!_owners.TryGetValue(name, out var owner) || System.IO.Path.GetFileName(owner.Path) != shard)
                throw new DfpoException("checkpoint/corrupt", $"'{index}' says that tensor '{name}' is in '{shard}', which does not hold it.");
    }
}
