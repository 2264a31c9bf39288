using System.Text;
using DfPO.Host.Commands;

namespace DfPO.Host.Tests.Commands;

/// <summary>
/// The program within the tests' own process, with what it prints, but for a run's progress: no start and no compilation, which is most of
/// a short command's time. What is about the process itself, such as its signals, its stdin or several of them, starts one
/// (<see cref="DfpoProcess"/>).
/// </summary>
internal static class Dfpo
{
    private static readonly AsyncLocal<Printed?> s_printed = new();

    static Dfpo()
    {
        Console.SetOut(new Divided(printed => printed.Output));
        Console.SetError(new Divided(printed => printed.Errors));
    }

    /// <summary>Runs a command line to its end.</summary>
    public static async Task<(int ExitCode, string Output, string Errors)> Run(params string[] arguments)
    {
        var printed = new Printed(new StringWriter(), new StringWriter());
        s_printed.Value = printed;
        // By itself: a command may block, and what it sets for its thread and its flow must not stay with the test.
        var code = await Task.Run(() => CommandLine.Invoke(arguments));
        s_printed.Value = null;
        return (code, printed.Output.ToString(), printed.Errors.ToString());
    }

    // The console's own lock is around both.
    private sealed record Printed(StringWriter Output, StringWriter Errors);

    /// <summary>Gives each command what it prints. What a run's actors print, its progress, belongs to no flow and is dropped.</summary>
    private sealed class Divided(Func<Printed, TextWriter> mine) : TextWriter
    {
        public override Encoding Encoding => Encoding.UTF8;

        private TextWriter Writer => s_printed.Value is { } printed ? mine(printed) : Null;

        public override void Write(char value) => Writer.Write(value);

        public override void Write(char[] buffer, int index, int count) => Writer.Write(buffer, index, count);

        public override void Write(string? value) => Writer.Write(value);

        public override void Flush() => Writer.Flush();
    }
}
