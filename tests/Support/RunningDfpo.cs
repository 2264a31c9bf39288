using System.Diagnostics;
using System.Text;

namespace DfPO.Tests.Support;

/// <summary>The built program in a process that goes on while the test does something; killed at the end whatever happens.</summary>
internal sealed class RunningDfpo : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(5);
    private readonly Process _process;
    private readonly StringBuilder _text = new();
    private readonly Lock _lock = new();

    private RunningDfpo(Process process) => _process = process;

    /// <summary>Everything it has printed, stdout and stderr as they came.</summary>
    public string Text
    {
        get
        {
            lock (_lock)
                return _text.ToString();
        }
    }

    /// <summary>Starts it.</summary>
    /// <param name="arguments">Its command line.</param>
    /// <param name="environment">Variables beside this process's own.</param>
    /// <param name="launcher">A command that starts it, such as <c>ip netns exec NAME</c>.</param>
    public static RunningDfpo Start(string[] arguments, Dictionary<string, string?>? environment = null, string[]? launcher = null)
    {
        string[] command = [.. launcher ?? [], "dotnet", Path.Combine(AppContext.BaseDirectory, "dfpo.dll"), .. arguments];
        var start = new ProcessStartInfo(command[0], command[1..]) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in environment ?? [])
            start.Environment[name] = value;
        var process = new Process { StartInfo = start };
        var running = new RunningDfpo(process);
        process.OutputDataReceived += (_, line) => running.Add(line.Data);
        process.ErrorDataReceived += (_, line) => running.Add(line.Data);
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return running;
    }

    /// <summary>Waits until it has printed a text, and gives the rest of that line.</summary>
    public Task<string> Printed(string text) => Printed(text, 1);

    /// <summary>How often it has printed a text.</summary>
    public int Count(string text) => Text.Split(text).Length - 1;

    /// <summary>Waits until it has printed a text so often, and gives the rest of that line.</summary>
    public async Task<string> Printed(string text, int times)
    {
        for (var clock = Stopwatch.StartNew(); clock.Elapsed < s_patience; await Task.Delay(20))
        {
            var all = Text;
            var at = -1;
            for (var i = 0; i < times && (i == 0 || at >= 0); i++)
                at = all.IndexOf(text, at + 1, StringComparison.Ordinal);
            if (at >= 0 && all.IndexOf('\n', at) is > 0 and var end)
                return all[(at + text.Length)..end].Trim();
            if (_process.HasExited)
                break;
        }
        throw new TimeoutException($"'{text}' was not printed:\n{Text}");
    }

    /// <summary>Ctrl-C.</summary>
    public void Interrupt() => Process.Start("kill", ["-INT", $"{_process.Id}"]).WaitForExit();

    /// <summary>kill -9.</summary>
    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    /// <summary>Waits for its end.</summary>
    public async Task<int> Exit()
    {
        using var timeout = new CancellationTokenSource(s_patience);
        await _process.WaitForExitAsync(timeout.Token);
        return _process.ExitCode;
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill(entireProcessTree: true);
        _process.Dispose();
    }

    private void Add(string? line)
    {
        lock (_lock)
            if (line is not null)
                _text.Append(line).Append('\n');
    }
}
