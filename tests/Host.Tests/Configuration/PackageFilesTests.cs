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
