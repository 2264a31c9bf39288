using System.CommandLine;
using DfPO.Host.Composition;
using DfPO.Host.Configuration;
using DfPO.Host.Reporting;
using DfPO.Host.Runs;
using DfPO.Host.Telemetry;
using DfPO.Models;

namespace DfPO.Host.Commands;

/// <summary><c>worker</c>: a process that joins a running experiment.</summary>
internal static class WorkerCommand
{
    private const string Standby = "learner-standby";
    private static readonly char[] s_comma = [','];

    public static Command Create()
    {
        var join = Options.Required<string>(
            "--join",
            "host:port that 'dfpo run' shows; several, separated by commas, where standbys may take over."
        );
        join.Validators.Add(result =>
        {
            if (
                result.Tokens.Count == 1
                && List(result.Tokens[0].Value) is var addresses
                && (addresses.Length == 0 || !addresses.All(IsAddress))
            )
                result.AddError(
                    $"--join '{result.Tokens[0].Value}' must be host:port, for example 127.0.0.1:4053; several are separated by commas."
                );
        });
        var role = Options.Of(
            "--role",
            $"rollout generates continuations, reward scores them, {Standby} takes over when the learner's process dies.",
            "rollout"
        );
        role.AcceptOnlyFromAmong("rollout", "reward", Standby);
        var device = Options.Of("--device", "cpu, cuda or cuda:N.", "cpu");
        var devices = Options.Optional<string>("--devices", "Several devices with an engine on each, separated by commas: cuda:0,cuda:1.");
        var host = Options.Of("--host", "Name or address at which the cluster reaches this process.", "127.0.0.1");
        var bind = Options.Bind();
        var port = Options.Port("--port", "Port of the cluster.");
        var threads = Options.AtLeast("--threads", "Torch threads an engine.", 1, 1);
        var patience = Options.AtLeast(
            "--patience",
            "Seconds to look for a learner, at the start and after losing one; for learner-standby, to wait for the run's lock.",
            1,
            60
        );
        var model = Options.Optional<string>(
            "--model",
            "A copy of the run's model folder on this machine, instead of fetching it; one that differs is refused."
        );
        var run = Options.Optional<string>("--run", $"For {Standby}: the run's folder, on a disk that both machines see.");
        var bulk = Options.Port("--bulk-port", "Port of the weight stream, at which workers relay weights to each other.");
        var allowance = new AllowanceOptions();
        var tls = new TlsFileOptions();
        var watch = new NodeWatchOptions();
        var command = new Command(
            "worker",
            $"""
            Join a running experiment; workers may come and go at any time. Examples:
              dfpo worker --join 192.168.0.10:4053 --role rollout --devices cuda:0,cuda:1 --host 192.168.0.11
              dfpo worker --join 192.168.0.10:4053 --role {Standby} --run runs/imdb-tiny-20260101-120000
            """
        )
        {
            join,
            role,
            device,
            devices,
            host,
            bind,
            port,
            threads,
            patience,
            model,
            run,
            bulk,
        };
        allowance.AddTo(command);
        tls.AddTo(command);
        watch.AddTo(command);
        command.SetAction(
            async (result, cancellation) =>
            {
                if (result.GetValue(devices) is not null && result.GetResult(device) is { Implicit: false })
                    throw new DfpoException("usage/device", "Give --device or --devices, not both.");
                var name = result.GetValue(role)!;
                if (name == Standby != result.GetValue(run) is not null)
                    throw new DfpoException("usage/standby", $"--role {Standby} needs --run with the run's folder; other roles take none.");
                var allowed = allowance.Read(result, isReward: name == "reward");
                if (name == Standby)
                    return await StandBy(
                        result.GetValue(run)!,
                        new RunOptions
                        {
                            Join = List(result.GetValue(join)!),
                            Host = result.GetValue(host)!,
                            Bind = result.GetValue(bind) ?? "",
                            Port = result.GetValue(port),
                            BulkPort = result.GetValue(bulk),
                            Patience = TimeSpan.FromSeconds(result.GetValue(patience)),
                            Tls = tls.Read(result),
                            Watch = watch.Read(result),
                        },
                        cancellation
                    );
                using var telemetry = HostTelemetry.Start(name);
                await WorkerHost.Run(
                    new WorkerOptions
                    {
                        Join = List(result.GetValue(join)!),
                        Role = name == "reward" ? WorkerRole.Reward : WorkerRole.Rollout,
                        Devices = List(result.GetValue(devices) ?? result.GetValue(device)!),
                        Host = result.GetValue(host)!,
                        Bind = result.GetValue(bind) ?? "",
                        Port = result.GetValue(port),
                        BulkPort = result.GetValue(bulk),
                        Threads = result.GetValue(threads),
                        Patience = TimeSpan.FromSeconds(result.GetValue(patience)),
                        Model = result.GetValue(model),
                        Allowance = allowed,
                        Tls = tls.Read(result),
                        Watch = watch.Read(result),
                    },
                    telemetry,
                    cancellation
                );
                return 0;
            }
        );
        return command;
    }

    private static Task<int> StandBy(string run, RunOptions options, CancellationToken cancellation)
    {
        var folder = RunFolder.Open(run);
        var config = ExperimentFile.Load(folder.Config, []);
        ExperimentValidation.Threads(config, options.LocalWorkersOf(config.Rollout));
        return RunSession.Execute(options, config, folder, cancellation);
    }

    private static string[] List(string text) =>
        text.Split(s_comma, StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    private static bool IsAddress(string text) =>
        text.LastIndexOf(':') is > 0 and var at && int.TryParse(text[(at + 1)..], out var port) && port is > 0 and <= 65535;
}
