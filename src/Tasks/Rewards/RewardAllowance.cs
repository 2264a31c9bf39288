using System.Security.Cryptography;
using DfPO.Models;

namespace DfPO.Tasks.Rewards;

/// <summary>
/// What a process does of a reward that others describe to it. Loading code, reading the environment and calling addresses is what its own
/// user allowed when it was started, and nothing else.
/// </summary>
public sealed record RewardAllowance
{
    /// <summary>Plug-ins that may be loaded.</summary>
    public IReadOnlyList<AllowedPlugin> Plugins { get; init; } = [];

    /// <summary>Environment variables whose values may be sent to an endpoint.</summary>
    public IReadOnlyList<string> KeyVariables { get; init; } = [];

    /// <summary>Hosts, or <c>host:port</c>, of endpoints that may be called.</summary>
    public IReadOnlyList<string> EndpointHosts { get; init; } = [];

    /// <summary>Whether anything is allowed.</summary>
    public bool IsEmpty => (Plugins.Count, KeyVariables.Count, EndpointHosts.Count) == (0, 0, 0);

    /// <summary>Gives the reward back, if everything that it asks for is allowed.</summary>
    /// <exception cref="DfpoException"><c>worker/not-allowed</c>, naming what is asked for and the option that allows it.</exception>
    public RewardSpec Checked(RewardSpec spec)
    {
        if (spec.Uses(RewardKind.Plugin))
            CheckPlugin(spec.PluginAssembly);
        if (spec.Uses(RewardKind.Perspective))
            CheckEndpoint(PerspectiveReward.Complete(spec.Endpoint));
        if (spec.Uses(RewardKind.Http))
            CheckEndpoint(spec.Endpoint);
        return spec;
    }

    private void CheckPlugin(string assembly)
    {
        var path = Path.GetFullPath(assembly);
        if (Plugins.FirstOrDefault(plugin => Path.GetFullPath(plugin.Path) == path) is not { } allowed)
            throw Forbidden($"load the plug-in '{assembly}'", $"--allow-plugin {assembly}");
        if (allowed.Sha256 is not { } digest)
            return;
        if (!File.Exists(path))
            throw new DfpoException("plugin/missing", $"Plug-in '{assembly}' does not exist on this machine: copy it to where the run has it.");
        using var file = File.OpenRead(path);
        if (Convert.ToHexStringLower(SHA256.HashData(file)) is var found && !found.Equals(digest, StringComparison.OrdinalIgnoreCase))
            throw new DfpoException(
                "worker/not-allowed",
                $"Plug-in '{assembly}' has SHA-256 {found}, and '--allow-plugin' allows {digest}: it is another file, and is not loaded."
            );
    }

    private void CheckEndpoint(EndpointOptions endpoint)
    {
        if (!Uri.TryCreate(endpoint.Url, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https"))
            return; // The reward itself refuses it, with the reason.
        if (!EndpointHosts.Intersect([url.Host, url.Authority], StringComparer.OrdinalIgnoreCase).Any())
            throw Forbidden($"send texts to '{url.Host}'", $"--allow-endpoint {url.Host}");
        if (endpoint.KeyVariable.Length == 0)
            return;
        if (!KeyVariables.Contains(endpoint.KeyVariable))
            throw Forbidden($"send the environment variable {endpoint.KeyVariable} to '{url.Host}'", $"--allow-key {endpoint.KeyVariable}");
    }

    private static DfpoException Forbidden(string what, string option) =>
        new(
            "worker/not-allowed",
            $"The run wants this worker to {what}. A worker does only what it was started for: add '{option}' if you trust the run with it."
        );
}

/// <summary>A plug-in that may be loaded.</summary>
/// <param name="Path">Its assembly, as the run's experiment names it.</param>
/// <param name="Sha256">SHA-256 that the file must have, hexadecimal; null for any.</param>
public sealed record AllowedPlugin(string Path, string? Sha256)
{
    /// <summary>Reads <c>PATH</c> or <c>PATH#sha256</c>.</summary>
    /// <returns>Null where the part behind '#' is no digest.</returns>
    public static AllowedPlugin? Parse(string text)
    {
        var at = text.LastIndexOf('#');
        if (at < 0)
            return text.Length > 0 ? new(text, null) : null;
        var digest = text[(at + 1)..];
        return at > 0 && digest.Length == 64 && digest.All(char.IsAsciiHexDigit) ? new(text[..at], digest) : null;
    }
}
