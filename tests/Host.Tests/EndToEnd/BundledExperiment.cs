using DfPO.Host.Tests.Commands;

namespace DfPO.Host.Tests.EndToEnd;

/// <summary>Runs on the bundled model, and the weights they end with when nothing disturbs them.</summary>
public sealed class BundledExperiment : IAsyncLifetime
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("dfpo-bundled");
    private string _undisturbed = "";

    public async ValueTask InitializeAsync()
    {
        var (exit, output, errors) = await DfpoProcess.Run(Run("undisturbed"));
        Assert.True(exit == 0, $"exit code {exit}\n{output}\n{errors}");
        _undisturbed = BundledRun.Digest(Folder("undisturbed"));
    }

    /// <summary>Command line of a run at a free port.</summary>
    /// <param name="name">Names the folder that the run's folder is made in.</param>
    /// <param name="more">Further arguments.</param>
    public string[] Run(string name, params string[] more) => RunAt(0, name, more);

    /// <summary>Command line of a run at a port.</summary>
    public string[] RunAt(int port, string name, params string[] more) =>
        BundledRun.Arguments(Path.Combine(_root.FullName, name), port, more);

    /// <summary>The one run folder of that name.</summary>
    public string Folder(string name) => Directory.GetDirectories(Path.Combine(_root.FullName, name)).Single();

    /// <summary>
    /// Checks that the run of that name ended with the undisturbed weights, and that each of its iterations was recorded once.
    /// </summary>
    public void AssertUndisturbed(string name)
    {
        Assert.Equal(_undisturbed, BundledRun.Digest(Folder(name)));
        Assert.Equal(Enumerable.Range(1, BundledRun.Iterations), BundledRun.RecordedIterations(Folder(name)));
    }

    public ValueTask DisposeAsync()
    {
        _root.Delete(recursive: true);
        return ValueTask.CompletedTask;
    }
}
