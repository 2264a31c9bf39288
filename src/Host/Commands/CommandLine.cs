using System.CommandLine;
using DfPO.Models;

namespace DfPO.Host.Commands;

/// <summary>The commands, and how their failures become exit codes: 1 failure, 2 usage, 130 cancelled.</summary>
public static class CommandLine
{
    /// <summary>Parses and runs; errors go to stderr as one line with a stable code.</summary>
    public static async Task<int> Invoke(string[] args)
    {
        var root = new RootCommand("DfPO: fine-tunes language models by reinforcement learning without degeneration.") { TrainLmCommand.Create(), TrainRewardCommand.Create() };
        var parsed = root.Parse(args);
        if (parsed.Errors.Count > 0)
        {
            foreach (var error in parsed.Errors)
                Console.Error.WriteLine($"dfpo: {error.Message}");
            Console.Error.WriteLine("dfpo: see 'dfpo --help'.");
            return 2;
        }
        try
        {
            return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
        }
        catch (OperationCanceledException)
        {
            Console.Error.WriteLine("dfpo: cancelled; the same command goes on from the checkpoint.");
            return 130;
        }
        catch (DfpoException e)
        {
            Console.Error.WriteLine($"dfpo: {e.Message} [{e.Code}]");
            return e.Code.EndsWith("/options", StringComparison.Ordinal) ? 2 : 1;
        }
    }
}
