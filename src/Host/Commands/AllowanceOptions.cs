using System.CommandLine;
using DfPO.Models;
using DfPO.Tasks.Rewards;

namespace DfPO.Host.Commands;

/// <summary>What a reward worker's user lets the run have it do.</summary>
internal sealed class AllowanceOptions
{
    private readonly Option<string[]> _plugins = Several(
        "--allow-plugin",
        "For reward: a plug-in that the run may have this worker load, by its path in the experiment, PATH or PATH#sha256. May be repeated; without it none."
    );
    private readonly Option<string[]> _keys = Several(
        "--allow-key",
        "For reward: an environment variable whose value the run may have this worker send to an allowed endpoint. May be repeated; without it none."
    );
    private readonly Option<string[]> _hosts = Several(
        "--allow-endpoint",
        "For reward: a host, or host:port, that the run may have this worker send texts to. May be repeated; without it none."
    );

    public void AddTo(Command command)
    {
        foreach (var option in new[] { _plugins, _keys, _hosts })
            command.Options.Add(option);
    }

    public RewardAllowance Read(ParseResult result, bool isReward)
    {
        var allowance = new RewardAllowance
        {
            Plugins = [.. (result.GetValue(_plugins) ?? []).Select(Plugin)],
            KeyVariables = result.GetValue(_keys) ?? [],
            EndpointHosts = result.GetValue(_hosts) ?? [],
        };
        return isReward || allowance.IsEmpty
            ? allowance
            : throw new DfpoException("usage/allow", "--allow-plugin, --allow-key and --allow-endpoint are for '--role reward' alone.");
    }

    private static AllowedPlugin Plugin(string text) =>
        AllowedPlugin.Parse(text)
        ?? throw new DfpoException(
            "usage/allow",
            $"--allow-plugin '{text}' must be PATH or PATH#sha256, with 64 hexadecimal digits: 'sha256sum FILE' prints them."
        );

    private static Option<string[]> Several(string name, string description) => new(name) { Description = description };
}
