using System.Diagnostics;

namespace DfPO.Host.Tests.Commands;

/// <summary>The built program as a process of its own.</summary>
internal static class DfpoProcess
{
    /// <summary>Runs it to its end, without anything on stdin.</summary>
    public static Task<(int ExitCode, string Output, string Errors)> Run(params string[] arguments) => Run(arguments, input: "");

    /// <summary>Runs it to its end.</summary>
    /// <param name="arguments">Command line.</param>
    /// <param name="input">Text on stdin, which is redirected and empty otherwise.</param>
    /// <param name="folder">Working directory; the test's own when null.</param>
    /// <param name="environment">Variables to set.</param>
    public static async Task<(int ExitCode, string Output, string Errors)> Run(
        string[] arguments,
        string input = "",
        string? folder = null,
        Dictionary<string, string?>? environment = null
    )
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "dfpo.dll"), .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = folder ?? "",
        };
        foreach (var (name, value) in environment ?? [])
            start.Environment[name] = value;
        using var process = Process.Start(start)!;
        using var timeout = new CancellationTokenSource(TimeSpan.FromMinutes(5));
        try
        {
            await process.StandardInput.WriteAsync(input);
            process.StandardInput.Close();
            var (output, errors) = (
                process.StandardOutput.ReadToEndAsync(timeout.Token),
                process.StandardError.ReadToEndAsync(timeout.Token)
            );
            await process.WaitForExitAsync(timeout.Token);
            return (process.ExitCode, await output, await errors);
        }
        finally
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
    }
}
