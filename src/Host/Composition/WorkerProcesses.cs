using System.Globalization;
using DfPO.Actors.Configuration;

namespace DfPO.Host.Composition;

/// <summary>Rollout workers in processes of their own on this machine; one that dies is started again.</summary>
internal sealed class WorkerProcesses : IDisposable
{
    private const int MostFailures = 5;
    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(1),
        s_farewell = TimeSpan.FromSeconds(5);
    private readonly CancellationTokenSource _stopping;
    private readonly Task[] _keepers;

    private WorkerProcesses(int count, CancellationToken cancellation, Func<int, CancellationToken, Task> keep)
    {
        _stopping = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        _keepers = [.. Enumerable.Range(0, count).Select(i => Task.Run(() => keep(i, _stopping.Token)))];
    }

    /// <summary>Starts them.</summary>
    /// <param name="count">How many.</param>
    /// <param name="join">Address of the learner.</param>
    /// <param name="tls">Files of mutual TLS, which they share with the learner; empty for none.</param>
    /// <param name="rollout">Their devices, in turn, and threads.</param>
    /// <param name="output">Where their lines go, with their number.</param>
    /// <param name="cancellation">Ends them.</param>
    public static WorkerProcesses Start(
        int count,
        string join,
        TlsOptions tls,
        RolloutOptions rollout,
        TextWriter output,
        CancellationToken cancellation
    ) =>
        new(count, cancellation, (index, stop) =>
            Keep(
                index + 1,
                [
                    "worker",
                    "--join",
                    join,
                    "--role",
                    "rollout",
                    "--device",
                    rollout.Devices[index % rollout.Devices.Count],
                    "--threads",
                    rollout.Threads.ToString(CultureInfo.InvariantCulture),
                    .. Certificates(join, tls),
                ],
                output,
                stop
            )
        );

    // The certificate names the learner's address, so they are reached at it too.
    private static string[] Certificates(string join, TlsOptions tls) =>
        tls.IsEmpty
            ? []
            : ["--host", join[..join.LastIndexOf(':')], "--tls-ca", tls.Ca, "--tls-cert", tls.Certificate, "--tls-key", tls.Key];

    /// <summary>Lets them take their leave of a run that has ended, within bounds, and kills those that stay.</summary>
    public void Dispose()
    {
        Task.WaitAll(_keepers, s_farewell);
        _stopping.Cancel();
        Task.WaitAll(_keepers, s_farewell);
        _stopping.Dispose();
    }

    private static async Task Keep(int number, string[] arguments, TextWriter output, CancellationToken stop)
    {
        for (var failures = 0; failures < MostFailures;)
        {
            var code = await Run(number, arguments, output, stop);
            if (code == 0 || stop.IsCancellationRequested)
                return;
            failures++;
            output.WriteLine(
                $"dfpo: worker process {number} ended with code {code}{(failures < MostFailures ? "; another is started" : " too often; no other is started")}"
            );
            await Task.Delay(s_pause, CancellationToken.None);
        }
    }

    private static async Task<int> Run(int number, string[] arguments, TextWriter output, CancellationToken stop)
    {
        using var process = ChildProgram.Start(arguments, line => output.WriteLine($"worker {number}: {line}"));
        try
        {
            return await process.Exit(stop);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            return await process.Exit();
        }
    }
}
