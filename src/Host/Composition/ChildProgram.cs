using System.Diagnostics;
using System.Reflection;

namespace DfPO.Host.Composition;

/// <summary>This program again, as a child process whose lines are read.</summary>
internal sealed class ChildProgram : IDisposable
{
    private readonly Process _process;

    private ChildProgram(Process process) => _process = process;

    /// <summary>Starts it.</summary>
    /// <param name="arguments">Its command line.</param>
    /// <param name="line">Takes each line of its stdout and stderr that is not empty.</param>
    /// <param name="holdsStdin">Whether it gets a stdin that stays open until <see cref="CloseStdin"/>, or until this process has
    /// died.</param>
    public static ChildProgram Start(string[] arguments, Action<string> line, bool holdsStdin = false)
    {
        var program = Environment.ProcessPath!;
        // Under "dotnet" the program is an argument of its own.
        string[] prefix = Path.GetFileNameWithoutExtension(program) == "dotnet" ? [Assembly.GetEntryAssembly()!.Location] : [];
        var process = new Process
        {
            StartInfo = new ProcessStartInfo(program, [.. prefix, .. arguments])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                RedirectStandardInput = holdsStdin,
            },
        };
        void Show(object sender, DataReceivedEventArgs received)
        {
            if (received.Data is { Length: > 0 } text)
                line(text);
        }
        process.OutputDataReceived += Show;
        process.ErrorDataReceived += Show;
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return new ChildProgram(process);
    }

    /// <summary>Waits for its end.</summary>
    /// <param name="cancellation">Ends the waiting, not the process.</param>
    /// <returns>Its exit code.</returns>
    public async Task<int> Exit(CancellationToken cancellation = default)
    {
        await _process.WaitForExitAsync(cancellation);
        return _process.ExitCode;
    }

    /// <summary>Closes its stdin, which a child that was started to heed it takes as Ctrl-C.</summary>
    public void CloseStdin() => _process.StandardInput.Close();

    /// <summary>Kills it and its own children.</summary>
    public void Kill() => _process.Kill(entireProcessTree: true);

    /// <inheritdoc/>
    public void Dispose() => _process.Dispose();
}
