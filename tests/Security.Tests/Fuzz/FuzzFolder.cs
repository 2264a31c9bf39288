namespace DfPO.Security.Tests.Fuzz;

/// <summary>Where inputs are written that are read as files: in memory where the system has a place for it.</summary>
internal sealed class FuzzFolder : IDisposable
{
    private const string Memory = "/dev/shm";
    private readonly string _path = Directory.Exists(Memory)
        ? Directory.CreateDirectory(Path.Combine(Memory, $"dfpo-fuzz-{Guid.NewGuid():n}")).FullName
        : Directory.CreateTempSubdirectory("dfpo-fuzz-").FullName;

    /// <summary>A path within.</summary>
    public string this[string name] => Path.Combine(_path, name);

    public void Dispose() => Directory.Delete(_path, recursive: true);
}
