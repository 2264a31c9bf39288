using DfPO.Actors.Experiments;
using DfPO.Host.Composition;
using Spectre.Console;

namespace DfPO.Host.Reporting;

/// <summary>Chooses how a run shows itself.</summary>
internal static class Displays
{
    /// <summary>JSON lines when asked for, a live table on an interactive terminal, lines otherwise. <c>NO_COLOR</c> is honoured.</summary>
    public static IExperimentObserver Create(RunOptions options, string folder)
    {
        if (options.Json)
            return new JsonReporter(Console.Out, folder);
        var terminal = AnsiConsole.Create(
            new AnsiConsoleSettings
            {
                ColorSystem = Environment.GetEnvironmentVariable("NO_COLOR") is { Length: > 0 }
                    ? ColorSystemSupport.NoColors
                    : ColorSystemSupport.Detect,
            }
        );
        var interactive = !Console.IsOutputRedirected && terminal.Profile.Capabilities is { Interactive: true, Ansi: true };
        return interactive && !options.Quiet ? new LiveTable(terminal, folder) : new LineReporter(Console.Out, folder, options.Quiet);
    }
}
