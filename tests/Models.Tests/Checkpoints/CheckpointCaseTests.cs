using DfPO.Models.Checkpoints;
using static DfPO.Models.Tests.Support.TensorAssert;
using static DfPO.Tests.Support.DfpoAssert;
using static TorchSharp.torch;

namespace DfPO.Models.Tests.Checkpoints;

/// <summary>Checkpoint folders as they are found in the world.</summary>
public sealed class CheckpointCaseTests : IDisposable
{
    private readonly TestFolder _folder = new();
    private readonly TorchSharp.DisposeScope _scope = NewDisposeScope();

    /// <summary>Folders with a whole file beside an index.</summary>
    public static TheoryData<string> WithIndex =>
        Folders(folder =>
            File.Exists(Path.Combine(folder, "model.safetensors")) && File.Exists(Path.Combine(folder, "model.safetensors.index.json"))
        );

    /// <summary>Folders whose weights carry a value head.</summary>
    public static TheoryData<string> WithValueHead =>
        Folders(folder => Holds(folder, name => name.StartsWith("v_head.", StringComparison.Ordinal)));

    /// <summary>Folders whose layer norms have the names of TensorFlow.</summary>
    public static TheoryData<string> WithOldNorms =>
        Folders(folder => Holds(folder, name => name.EndsWith("LayerNorm.gamma", StringComparison.Ordinal)));

    /// <summary>Folders of classifiers that do not name their classes.</summary>
    public static TheoryData<string> Unnamed =>
        Folders(folder =>
            File.Exists(Path.Combine(folder, "config.json"))
            && File.Exists(Path.Combine(folder, "model.safetensors"))
            && HfConfigReader.ReadFile(Path.Combine(folder, "config.json")) is var json
            && json["id2label"] is null
            && json["architectures"]!.ToJsonString().Contains("SequenceClassification")
        );

    /// <summary>Files that are pointers to what they should be.</summary>
    public static TheoryData<string> Pointers =>
        [
            .. Directory
                .GetFiles(Repository.Cases, "*", SearchOption.AllDirectories)
                .Where(IsPointer)
                .Select(path => Path.GetRelativePath(Repository.Cases, path))
                .Order(StringComparer.Ordinal),
        ];

    public void Dispose()
    {
        _scope.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [MemberData(nameof(WithIndex))]
    public void TheWholeFileIsLoadedWhateverAnIndexBesideItSays(string folder)
    {
        using var model = PretrainedModels.LoadLanguageModel(Path.Combine(Repository.Cases, folder));
        using var file = SafetensorsFile.Open(Path.Combine(Repository.Cases, folder, "model.safetensors"));

        foreach (var (name, parameter) in model.named_parameters())
            Same(file.Get(name), parameter);
    }

    [Theory]
    [MemberData(nameof(WithValueHead))]
    public void AValueHeadIsLeftOutWithAWord(string folder)
    {
        var path = Path.Combine(Repository.Cases, folder);
        var copy = _folder["copy"];
        Directory.CreateDirectory(copy);
        foreach (var file in Directory.GetFiles(path))
            File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
        var told = new List<string>();
        void Listen(string line) => told.Add(line);
        Notices.Told += Listen;

        using (var model = PretrainedModels.LoadLanguageModel(copy))
        using (var file = SafetensorsFile.Open(Path.Combine(path, "model.safetensors")))
            foreach (var (name, parameter) in model.named_parameters())
                Same(file.Get(name), parameter);
        PretrainedModels.LoadLanguageModel(copy).Dispose();
        Notices.Told -= Listen;

        Assert.Contains("v_head", Assert.Single(told, line => line.Contains(copy)));
    }

    [Theory]
    [MemberData(nameof(WithOldNorms))]
    public void GammaAndBetaAreWeightAndBias(string folder)
    {
        var path = Path.Combine(Repository.Cases, folder);
        using var file = SafetensorsFile.Open(Path.Combine(path, "model.safetensors"));
        File.Copy(Path.Combine(path, "config.json"), _folder["config.json"]);
        SafetensorsWriter.Write(
            _folder["model.safetensors"],
            file.Names.ToDictionary(
                name => name.Replace("LayerNorm.gamma", "LayerNorm.weight").Replace("LayerNorm.beta", "LayerNorm.bias"),
                file.Get
            )
        );

        using var old = PretrainedModels.LoadSequenceClassifier(path);
        using var renamed = PretrainedModels.LoadSequenceClassifier(_folder.Path);

        foreach (var ((name, expected), (_, actual)) in renamed.named_parameters().Zip(old.named_parameters()))
            Same(expected, actual);
    }

    [Fact]
    public void ANormUnderBothNamesIsRefused()
    {
        var path = Path.Combine(Repository.Cases, WithOldNorms.First().Data);
        using var file = SafetensorsFile.Open(Path.Combine(path, "model.safetensors"));
        File.Copy(Path.Combine(path, "config.json"), _folder["config.json"]);
        var tensors = file.Names.ToDictionary(name => name, file.Get);
        tensors["bert.embeddings.LayerNorm.weight"] = tensors["bert.embeddings.LayerNorm.gamma"];
        SafetensorsWriter.Write(_folder["model.safetensors"], tensors);

        Assert.Equal("checkpoint/unknown-tensor", CodeOf(() => PretrainedModels.LoadSequenceClassifier(_folder.Path), "LayerNorm.gamma"));
    }

    [Theory]
    [MemberData(nameof(Unnamed))]
    public void ClassesWithoutNamesHaveThoseOfTheLibrary(string folder)
    {
        var path = Path.Combine(Repository.Cases, folder);
        using var file = SafetensorsFile.Open(Path.Combine(path, "model.safetensors"));
        string[] expected = [.. Enumerable.Range(0, (int)file.Entry("score.weight").Shape[0]).Select(id => $"LABEL_{id}")];

        using var model = PretrainedModels.LoadSequenceClassifier(path);

        Assert.Equal(expected, model.Labels);
        Assert.Equal(expected, PretrainedModels.ReadLabels(path));
    }

    [Theory]
    [MemberData(nameof(Pointers))]
    public void APointerInPlaceOfWeightsIsNamedAsSuch(string file)
    {
        var path = Path.Combine(Repository.Cases, file);
        var target = _folder[Path.GetFileName(file)];
        File.Copy(path, target);
        File.WriteAllText(
            _folder["config.json"],
            """{ "model_type": "gpt2", "vocab_size": 7, "n_positions": 8, "n_embd": 8, "n_layer": 1, "n_head": 2 }"""
        );

        Assert.Equal("file/lfs-pointer", CodeOf(() => PretrainedModels.LoadLanguageModel(_folder.Path), target, "git lfs pull"));
        File.Copy(path, _folder["config.json"], overwrite: true);
        Assert.Equal("file/lfs-pointer", CodeOf(() => PretrainedModels.ReadConfig(_folder.Path), "config.json"));
    }

    [Theory]
    [InlineData("model.fp16.safetensors", "model.fp16.safetensors")]
    [InlineData("flax_model.msgpack", "model.safetensors or pytorch_model.bin")]
    public void AFolderWithoutWeightsSaysWhatThereIs(string file, string word)
    {
        _folder.Write(
            "config.json",
            """{ "model_type": "gpt2", "vocab_size": 7, "n_positions": 8, "n_embd": 8, "n_layer": 1, "n_head": 2 }"""
        );
        _folder.Write(file, "");

        Assert.Equal("checkpoint/missing-file", CodeOf(() => PretrainedModels.LoadLanguageModel(_folder.Path), _folder.Path, word));
    }

    private static TheoryData<string> Folders(Func<string, bool> fits) =>
        [
            .. Directory
                .GetDirectories(Repository.Cases, "*", SearchOption.AllDirectories)
                .Where(fits)
                .Select(folder => Path.GetRelativePath(Repository.Cases, folder))
                .Order(StringComparer.Ordinal),
        ];

    private static bool Holds(string folder, Func<string, bool> name)
    {
        var path = Path.Combine(folder, "model.safetensors");
        if (!File.Exists(path) || IsPointer(path))
            return false;
        using var file = SafetensorsFile.Open(path);
        return file.Names.Any(name);
    }

    private static bool IsPointer(string path) =>
        new FileInfo(path).Length < 1024 && File.ReadAllText(path).StartsWith("version https://git-lfs", StringComparison.Ordinal);
}
