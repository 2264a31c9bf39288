using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace DfPO.Actors.Work;

/// <summary>
/// What decides which bits an engine makes of a unit: the build of torch, the kind of device, the processor, and the number of threads of
/// one operation. Other machines round otherwise, and from the first token that is drawn otherwise their texts differ.
/// </summary>
public static class MachineClass
{
    /// <summary>The class of an engine in this process.</summary>
    /// <param name="device">Its device, such as <c>cuda:1</c>; which one of a kind it is does not matter.</param>
    /// <param name="threads">Torch threads of one operation.</param>
    public static string Of(string device, int threads) =>
        string.Join(
            '/',
            RuntimeInformation.OSArchitecture,
            Avx512F.IsSupported ? "avx512"
                : Avx2.IsSupported ? "avx2"
                : "base",
            Line("/proc/cpuinfo", "model name"),
            $"torch-{typeof(TorchSharp.torch).Assembly.GetName().Version}",
            device.Split(':')[0] is "cpu" ? "cpu" : Gpus(),
            $"{threads}-threads"
        );

    private static string Gpus()
    {
        const string Folder = "/proc/driver/nvidia/gpus";
        // A GPU that the driver does not name is like no other machine's.
        return Directory.Exists(Folder)
            ? string.Join('+', Directory.GetDirectories(Folder).Select(gpu => Line(Path.Combine(gpu, "information"), "Model")).Distinct())
            : Environment.MachineName;
    }

    private static string Line(string file, string name)
    {
        try
        {
            return File.ReadLines(file).FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal)) is { } line
                ? line[(line.IndexOf(':') + 1)..].Trim()
                : "";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return ""; // Another system than Linux: the rest has to do.
        }
    }
}
