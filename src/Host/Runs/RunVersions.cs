using System.Reflection;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Akka.Actor;
using DfPO.Actors.Configuration;
using DfPO.Host.Configuration;

namespace DfPO.Host.Runs;

/// <summary>What a run needs to be repeated: versions, machine, seed and configuration.</summary>
internal static class RunVersions
{
    /// <summary>This program's version.</summary>
    public static string Dfpo { get; } = Version(typeof(RunVersions));

    /// <summary>The content of <c>versions.json</c>.</summary>
    public static JsonObject Of(ExperimentConfig config) =>
        new()
        {
            ["dfpo"] = Dfpo,
            ["dotnet"] = RuntimeInformation.FrameworkDescription,
            ["akka"] = Version(typeof(ActorSystem)),
            ["torchsharp"] = Version(typeof(TorchSharp.torch)),
            ["os"] = RuntimeInformation.OSDescription,
            ["architecture"] = RuntimeInformation.OSArchitecture.ToString(),
            ["cpus"] = Environment.ProcessorCount,
            ["seed"] = config.Seed,
            ["config_sha256"] = ResolvedConfig.Digest(config),
        };

    private static string Version(Type type) =>
        type.Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0]
        ?? type.Assembly.GetName().Version!.ToString();
}
