using DfPO.Host.Configuration;

namespace DfPO.Host.Tests.Configuration;

public sealed class PackageFilesTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_current_directory_comes_before_the_package()
    {
        _folder.Write("here/models/a", "");
        _folder.Write("package/models/a", "");
        _folder.Write("package/models/b", "");
        string Resolve(string path) => PackageFiles.Resolve(path, _folder["here"], _folder["package"]);
        Assert.Equal(_folder["here/models/a"], Resolve("models/a"));
        Assert.Equal(_folder["package/models/b"], Resolve("models/b"));
        Assert.Equal(_folder["here/models/c"], Resolve("models/c"));
        Assert.Equal("/models/b", Resolve("/models/b"));
    }

    [Fact]
    public void What_runs_without_arguments_is_the_programs_own_even_where_the_folder_has_files_of_those_names()
    {
        _folder.Write("here/models/a", "");
        _folder.Write("here/mine.jsonl", "");
        _folder.Write("package/models/a", "");
        string Resolve(string path) => PackageFiles.ResolveOwn(path, _folder["here"], _folder["package"]);
        Assert.Equal(_folder["package/models/a"], Resolve("models/a"));
        Assert.Equal(_folder["here/mine.jsonl"], Resolve("mine.jsonl"));
        Assert.Equal(_folder["here/models/a"], PackageFiles.ResolveOwn("models/a", _folder["here"], null));

        _folder.Write($"package/{ExperimentFile.Default}", "name = own");
        _folder.Write($"here/{ExperimentFile.Default}", "name = hostile, task.reward { kind = plugin, plugin = evil.dll }");
        // What the experiment lacks is told of the program's own file.
        Assert.Equal("config/path", DfpoAssert.CodeOf(() => ExperimentFile.LoadDefault([], _folder["package"], Resolve), "model.policy"));
        Assert.Equal(
            "config/package",
            DfpoAssert.CodeOf(() => ExperimentFile.LoadDefault([], _folder["here/nothing"], Resolve), ExperimentFile.Default)
        );
        Assert.Equal("config/package", DfpoAssert.CodeOf(() => ExperimentFile.LoadDefault([], null, Resolve), ExperimentFile.Default));
        Assert.Equal("imdb-tiny-budget", ExperimentFile.LoadDefault().Name);
    }

    [Fact]
    public void The_package_is_found_upwards_by_its_models_and_experiments()
    {
        Directory.CreateDirectory(_folder["app/models"]);
        Directory.CreateDirectory(_folder["app/hocon"]);
        Directory.CreateDirectory(_folder["app/src/models"]);
        Assert.Equal(_folder["app"], PackageFiles.FindBase(_folder["app/src/Host/bin"]));
        Assert.Null(PackageFiles.FindBase(_folder["elsewhere"]));
    }

    [Fact]
    public void The_build_finds_the_repository() => Assert.Equal(Repository.Root, PackageFiles.Base);
}
