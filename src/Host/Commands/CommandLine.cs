using System.CommandLine;
using DfPO.Models;

namespace DfPO.Host.Commands;

/// <summary>The commands, and how their failures become exit codes: 1 failure, 2 usage, 130 cancelled.</summary>
public static class CommandLine
{
    // Long enough to end a step and to send the last telemetry.
    private static readonly TimeSpan s_termination = TimeSpan.FromSeconds(20);

    /// <summary>Parses and runs; errors go to stderr as one line with a stable code.</summary>
    public static async Task<int> Invoke(string[] args)
    {
        Notices.Told -= Tell;
        Notices.Told += Tell;
        var parsed = Root().Parse(args);
        if (parsed.Errors.Count > 0)
        {
            foreach (var error in parsed.Errors)
                Console.Error.WriteLine($"dfpo: {error.Message}");
            Console.Error.WriteLine("dfpo: see 'dfpo --help'.");
            return 2;
        }
        using var stopping = new CancellationTokenSource();
        using var hangUp = HangUp.Cancels(stopping);
        try
        {
            return await parsed.InvokeAsync(
                new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = s_termination },
                stopping.Token
            );
        }
        catch (OperationCanceledException)
        {
            Console.Error.WriteLine("dfpo: cancelled; what was checkpointed can be resumed.");
            return 130;
        }
        catch (DfpoException e)
        {
            Console.Error.WriteLine($"dfpo: {PlainText.Of(e.Message)} [{e.Code}]");
            return IsUsage(e.Code) ? 2 : 1;
        }
        catch (Exception e)
        {
            Console.Error.WriteLine($"dfpo: unexpected error: {e}");
            return 1;
        }
    }

    /// <summary>All commands; the root itself runs the default experiment.</summary>
    internal static RootCommand Root()
    {
        var root = new RootCommand(
            "DfPO: fine-tunes language models by reinforcement learning without degeneration. Without a command it runs the default experiment."
        )
        {
            RunCommand.Create(),
            ReplayCommand.Create(),
            PlanCommand.Create(),
            WorkerCommand.Create(),
            GenerateCommand.Create(),
            ServeCommand.Create(),
            EvalCommand.Create(),
            TrainLmCommand.Create(),
            TrainRewardCommand.Create(),
            TrainSeq2SeqCommand.Create(),
            CertsCommand.Create(),
            ExportCommand.Create(),
            DistillCommand.Create(),
            ModelsCommand.Create(),
            DataCommand.Create(),
            StudyCommand.Create(),
            RunsCommand.Create(),
            ReportCommand.Create(),
            DashboardCommand.Create(),
        };
        root.SetAction((_, cancellation) => RunCommand.RunDefault(cancellation));
        return root;
    }

    private static void Tell(string line) => Console.Error.WriteLine($"dfpo: {PlainText.Of(line)}");

    private static bool IsUsage(string code) =>
        code.EndsWith("/options", StringComparison.Ordinal)
        || code.StartsWith("usage/", StringComparison.Ordinal)
        || code.StartsWith("config/", StringComparison.Ordinal);
}
