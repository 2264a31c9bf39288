using System.Diagnostics;

namespace DfPO.Host.Tests.EndToEnd;

/// <summary>Machines in small: network namespaces on one switch, whose cables can be pulled. Needs root and iproute2.</summary>
internal sealed class NetworkNamespaces : IDisposable
{
    private readonly string _prefix = $"dfpo{Environment.ProcessId % 10000}";
    private readonly int _count;

    /// <summary>Makes them; skips the test, and says why, where the machine does not allow it.</summary>
    public NetworkNamespaces(int count)
    {
        _count = count;
        try
        {
            Ip($"netns add {Switch}");
        }
        catch (Exception e) when (e is InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            Assert.Skip($"Partitions are not tested: this machine allows no network namespaces ({e.Message.Trim()}).");
        }
        Ip($"-n {Switch} link add br0 type bridge");
        Ip($"-n {Switch} link set br0 up");
        for (var i = 1; i <= count; i++)
        {
            Ip($"netns add {Name(i)}");
            Ip($"-n {Name(i)} link add e0 type veth peer name {Cable(i)} netns {Switch}");
            Ip($"-n {Name(i)} addr add {Address(i)}/24 dev e0");
            Ip($"-n {Name(i)} link set e0 up");
            Ip($"-n {Name(i)} link set lo up");
            Ip($"-n {Switch} link set {Cable(i)} master br0");
            Ip($"-n {Switch} link set {Cable(i)} up");
        }
    }

    private string Switch => $"{_prefix}sw";

    /// <summary>Address of a machine, counted from 1.</summary>
    public static string Address(int machine) => $"10.99.0.{machine}";

    /// <summary>Command that starts a program on a machine.</summary>
    public string[] On(int machine) => ["ip", "netns", "exec", Name(machine)];

    /// <summary>Pulls a machine's cable.</summary>
    public void Cut(int machine) => Ip($"-n {Switch} link set {Cable(machine)} nomaster");

    /// <summary>Puts it back.</summary>
    public void Heal(int machine) => Ip($"-n {Switch} link set {Cable(machine)} master br0");

    public void Dispose()
    {
        foreach (var name in Enumerable.Range(1, _count).Select(Name).Append(Switch))
            Ip($"netns del {name}");
    }

    private string Name(int machine) => $"{_prefix}n{machine}";

    private static string Cable(int machine) => $"v{machine}";

    private static void Ip(string arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("ip", arguments) { RedirectStandardError = true })!;
        var errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"ip {arguments}: {errors}");
    }
}
