using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Reflection;
using System.Text.Json;
using DfPO.Actors.Weights;

namespace DfPO.Benchmarks;

/// <summary>What a receiver measured.</summary>
/// <param name="Seconds">From asking to having, checks included.</param>
/// <param name="Allocated">Managed bytes allocated meanwhile.</param>
/// <param name="Cpu">Processor seconds meanwhile.</param>
/// <param name="Received">Bytes of weights that came over the wire.</param>
internal sealed record Receipt(double Seconds, long Allocated, double Cpu, long Received);

/// <summary>The receiving process: this program again, which does what it is told line by line and ends with its input.</summary>
internal sealed class WeightsPeer : IDisposable
{
    /// <summary>First argument of the receiving process.</summary>
    public const string Argument = "weights-peer";

    private readonly Process _process;

    public WeightsPeer()
    {
        var program = Environment.ProcessPath!;
        // Started as "dotnet X.dll", the host's path alone would not lead back here.
        string[] arguments =
            Path.GetFileNameWithoutExtension(program) == "dotnet" ? [Assembly.GetExecutingAssembly().Location, Argument] : [Argument];
        _process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
    }

    /// <summary>What the receiving process does.</summary>
    public static int Serve(TextReader input, TextWriter output)
    {
        var folder = Path.Combine(Path.GetTempPath(), $"dfpo-benchmark-{Environment.ProcessId}");
        using var dense = new WeightsClient(folder, new WeightsClientOptions { AcceptDelta = false });
        using var delta = new WeightsClient(folder + "-delta");
        byte[] buffer = [];
        while (input.ReadLine()?.Split(' ', 3) is [var what, var first, ..] words)
        {
            var allocated = GC.GetTotalAllocatedBytes(precise: true);
            var cpu = Environment.CpuUsage.TotalTime;
            var start = Stopwatch.GetTimestamp();
            var received =
                what == "socket"
                    ? Receive(int.Parse(first, CultureInfo.InvariantCulture), ref buffer, int.Parse(words[2], CultureInfo.InvariantCulture))
                    : Fetch(what == "delta" ? delta : dense, JsonSerializer.Deserialize<WeightsRef>(first)!);
            var receipt = new Receipt(
                Stopwatch.GetElapsedTime(start).TotalSeconds,
                GC.GetTotalAllocatedBytes(precise: true) - allocated,
                (Environment.CpuUsage.TotalTime - cpu).TotalSeconds,
                received
            );
            output.WriteLine(JsonSerializer.Serialize(receipt));
            output.Flush();
        }
        return 0;
    }

    /// <summary>Fetches weights through the channel.</summary>
    public Receipt Fetch(WeightsRef weights, bool acceptDelta) =>
        Tell($"{(acceptDelta ? "delta" : "dense")} {JsonSerializer.Serialize(weights)}");

    /// <summary>Receives bytes over a bare socket into memory that is used again.</summary>
    public Receipt Socket(WeightsLease lease)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var sending = Task.Run(() =>
        {
            using var socket = listener.AcceptSocket();
            const int Piece = 1 << 20;
            for (var position = 0L; position < lease.Manifest.Length; position += Piece)
                for (var piece = lease.Bytes(position, (int)Math.Min(Piece, lease.Manifest.Length - position)).Span; piece.Length > 0;)
                    piece = piece[socket.Send(piece)..];
        });
        var receipt = Tell($"socket {((IPEndPoint)listener.LocalEndpoint).Port} {lease.Manifest.Length}");
        sending.GetAwaiter().GetResult();
        return receipt;
    }

    public void Dispose()
    {
        _process.StandardInput.Close();
        if (!_process.WaitForExit(TimeSpan.FromSeconds(10)))
            _process.Kill();
        _process.Dispose();
    }

    private static long Receive(int port, ref byte[] buffer, int length)
    {
        if (buffer.Length != length)
            buffer = GC.AllocateUninitializedArray<byte>(length, pinned: true);
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Connect(IPAddress.Loopback, port);
        var have = 0;
        while (have < length && socket.Receive(buffer.AsSpan(have)) is > 0 and var count)
            have += count;
        return have;
    }

    private static long Fetch(WeightsClient client, WeightsRef weights)
    {
        client.Fetch(weights, default, default).GetAwaiter().GetResult();
        return client.Progress!.Received;
    }

    private Receipt Tell(string command)
    {
        _process.StandardInput.WriteLine(command);
        _process.StandardInput.Flush();
        return JsonSerializer.Deserialize<Receipt>(
            _process.StandardOutput.ReadLine() ?? throw new InvalidOperationException("The receiving process ended.")
        )!;
    }
}
