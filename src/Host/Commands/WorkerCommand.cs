using System.CommandLine;
using DfPO.Host.Composition;
using DfPO.Host.Telemetry;
using DfPO.Models;

namespace DfPO.Host.Commands;

/// <summary><c>worker</c>: a process that joins a running experiment.</summary>
internal static class WorkerCommand
{
    public static Command Create()
    {
        var join = Options.Required<string>("--join", "host:port that 'dfpo run' shows.");
        join.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && !IsAddress(result.Tokens[0].Value))
                result.AddError($"--join '{result.Tokens[0].Value}' must be host:port, for example 127.0.0.1:4053.");
        });
        var role = Options.Of("--role", "rollout generates continuations, reward scores them.", "rollout");
        role.AcceptOnlyFromAmong("rollout", "reward");
        var device = Options.Of("--device", "cpu, cuda or cuda:N.", "cpu");
        var devices = Options.Optional<string>("--devices", "Several devices with an engine on each, separated by commas: cuda:0,cuda:1.");
        var host = Options.Of("--host", "Address at which the cluster reaches this process.", "127.0.0.1");
        var port = Options.Port("--port", "Port of the cluster.");
        var threads = Options.AtLeast("--threads", "Torch threads an engine.", 1, 1);
        var tls = new TlsFileOptions();
        var command = new Command("worker", """
            Join a running experiment as a worker; it may come and go at any time. Example:
              dfpo worker --join 192.168.0.10:4053 --role rollout --devices cuda:0,cuda:1 --host 192.168.0.11
            """) { join, role, device, devices, host, port, threads };
        tls.AddTo(command);
        command.SetAction(async (result, cancellation) =>
        {
            if (result.GetValue(devices) is not null && result.GetResult(device) is { Implicit: false })
                throw new DfpoException("usage/device", "Give --device or --devices, not both.");
            var name = result.GetValue(role)!;
            using var telemetry = HostTelemetry.Start(name);
            await WorkerHost.Run(new WorkerOptions
            {
                Join = result.GetValue(join)!,
                Role = name == "reward" ? WorkerRole.Reward : WorkerRole.Rollout,
                Devices = (result.GetValue(devices) ?? result.GetValue(device)!).Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries),
                Host = result.GetValue(host)!,
                Port = result.GetValue(port),
                Threads = result.GetValue(threads),
                Tls = tls.Read(result),
            }, telemetry, cancellation);
            return 0;
        });
        return command;
    }

    private static bool IsAddress(string text) =>
        text.LastIndexOf(':') is > 0 and var at && int.TryParse(text[(at + 1)..], out var port) && port is > 0 and <= 65535;
}
