using System.CommandLine;
using DfPO.Host.Composition;
using Microsoft.Extensions.Logging;

namespace DfPO.Host.Commands;

/// <summary>What commands that start a process of a cluster take of health and logging.</summary>
internal sealed class NodeWatchOptions
{
    private readonly Option<int?> _health = Options.Optional<int?>(
        "--health-port",
        "Port of /healthz (the process lives) and /readyz (it is in the cluster), at the address that it listens at; without it there is none."
    );
    private readonly Option<string> _level = Options.Of(
        "--log-level",
        "What is logged on stderr and over OTLP, and all that is worse; information tells of workers that join and leave.",
        Kebab.Of($"{LogLevel.Warning}")
    );

    public void AddTo(Command command)
    {
        _health.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && int.TryParse(result.Tokens[0].Value, out var port) && port is < 1 or > 65535)
                result.AddError($"--health-port '{port}' must be between 1 and 65535.");
        });
        _level.AcceptOnlyFromAmong([.. Enum.GetNames<LogLevel>().Select(Kebab.Of)]);
        command.Options.Add(_health);
        command.Options.Add(_level);
    }

    public NodeWatch Read(ParseResult result) =>
        new()
        {
            HealthPort = result.GetValue(_health),
            LogLevel = Enum.GetValues<LogLevel>().First(level => Kebab.Of($"{level}") == result.GetValue(_level)),
        };
}
