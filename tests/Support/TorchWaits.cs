using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace DfPO.Tests.Support;

/// <summary>
/// Has torch's threads sleep while they wait for each other, in the tests' process and in those that it starts. By default they spin, which
/// is fastest for one program that has the cores to itself. Tests share them with other tests, and a thread that spins then takes the core
/// that the awaited one needs: a run of a second takes a minute.
/// </summary>
internal static partial class TorchWaits
{
    private const string Variable = "OMP_WAIT_POLICY";

    // Before anything loads torch: OpenMP reads the variable once, as its library is loaded.
    [ModuleInitializer]
    internal static void Sleep()
    {
        if (Environment.GetEnvironmentVariable(Variable) is not null)
            return;
        Environment.SetEnvironmentVariable(Variable, "passive");
        // The process's own copy, which .NET's does not touch on Unix.
        if (!OperatingSystem.IsWindows())
            _ = SetEnv(Variable, "passive", 1);
    }

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetEnv(string name, string value, int overwrite);
}
