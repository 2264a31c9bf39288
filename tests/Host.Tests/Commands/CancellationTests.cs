using System.Diagnostics;

namespace DfPO.Host.Tests.Commands;

public sealed class CancellationTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Ctrl_C_ends_a_command_with_code_130()
    {
        Interrupts.SkipWhereIgnored();
        var text = _folder.Write("text.txt", string.Concat(Enumerable.Repeat("the film was about a man who went out to sea\n", 200)));
        using var process = Process.Start(
            new ProcessStartInfo(
                "dotnet",
                [
                    Path.Combine(AppContext.BaseDirectory, "dfpo.dll"),
                    "train-lm",
                    "--text",
                    text,
                    "--tokenizer",
                    Repository.Gpt2Tokenizer,
                    "--vocab-size",
                    "320",
                    "--output",
                    _folder["lm"],
                    "--layers",
                    "1",
                    "--width",
                    "16",
                    "--heads",
                    "2",
                    "--block-size",
                    "16",
                    "--batch-size",
                    "1",
                    "--steps",
                    "10000000",
                    "--evaluate-every",
                    "50",
                    "--threads",
                    "1",
                ]
            )
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            }
        )!;
        using var timeout = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        try
        {
            while (
                await process.StandardOutput.ReadLineAsync(timeout.Token) is { } line && !line.StartsWith("step ", StringComparison.Ordinal)
            ) { }
            using (var kill = Process.Start("kill", ["-INT", $"{process.Id}"]))
                await kill.WaitForExitAsync(timeout.Token);
            var errors = process.StandardError.ReadToEndAsync(timeout.Token);
            await process.StandardOutput.ReadToEndAsync(timeout.Token);
            await process.WaitForExitAsync(timeout.Token);
            Assert.Contains("dfpo: cancelled", await errors);
            Assert.Equal(130, process.ExitCode);
        }
        finally
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
    }
}
