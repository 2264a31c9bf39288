using System.Runtime.Serialization;
using DfPO.Tasks.Rewards;

namespace DfPO.Actors.Serialization;

/// <summary>Between a reward's options and their wire form.</summary>
internal static class RewardMapping
{
    public static Wire.Reward ToWire(RewardSpec spec) => new()
    {
        Kind = spec.Kind.ToString(),
        Terms = { spec.Terms.Select(term => term.ToString()) },
        Weights = { spec.Weights },
        Scope = spec.Scope.ToString(),
        CacheSize = spec.CacheSize,
        WordNet = spec.WordNet,
        Rl4LmsCompat = spec.Rl4lmsCompat,
        RougeType = spec.RougeType,
        CiderCorpus = spec.CiderCorpus,
        Lexicon = spec.Lexicon,
        ToxicityModel = spec.ToxicityModel,
        PluginAssembly = spec.PluginAssembly,
        PluginClass = spec.PluginClass,
        PluginArgument = spec.PluginArgument,
        Endpoint = new Wire.Endpoint
        {
            Url = spec.Endpoint.Url,
            KeyVariable = spec.Endpoint.KeyVariable,
            BatchSize = spec.Endpoint.BatchSize,
            Timeout = spec.Endpoint.Timeout.Ticks,
            Retries = spec.Endpoint.Retries,
            RetryDelay = spec.Endpoint.RetryDelay.Ticks,
            BreakAfter = spec.Endpoint.BreakAfter,
            BreakFor = spec.Endpoint.BreakFor.Ticks,
            RequestsPerSecond = spec.Endpoint.RequestsPerSecond,
        },
    };

    public static RewardSpec FromWire(Wire.Reward wire) => new()
    {
        Kind = Named<RewardKind>(wire.Kind),
        Terms = [.. wire.Terms.Select(Named<RewardKind>)],
        Weights = [.. wire.Weights],
        Scope = Named<RewardScope>(wire.Scope),
        CacheSize = wire.CacheSize,
        WordNet = wire.WordNet,
        Rl4lmsCompat = wire.Rl4LmsCompat,
        RougeType = wire.RougeType,
        CiderCorpus = wire.CiderCorpus,
        Lexicon = wire.Lexicon,
        ToxicityModel = wire.ToxicityModel,
        PluginAssembly = wire.PluginAssembly,
        PluginClass = wire.PluginClass,
        PluginArgument = wire.PluginArgument,
        Endpoint = wire.Endpoint is not { } endpoint ? new EndpointOptions() : new EndpointOptions
        {
            Url = endpoint.Url,
            KeyVariable = endpoint.KeyVariable,
            BatchSize = endpoint.BatchSize,
            Timeout = TimeSpan.FromTicks(endpoint.Timeout),
            Retries = endpoint.Retries,
            RetryDelay = TimeSpan.FromTicks(endpoint.RetryDelay),
            BreakAfter = endpoint.BreakAfter,
            BreakFor = TimeSpan.FromTicks(endpoint.BreakFor),
            RequestsPerSecond = endpoint.RequestsPerSecond,
        },
    };

    // Names alone: a number off the wire could be any.
    private static T Named<T>(string name) where T : struct, Enum =>
        Enum.GetNames<T>().Contains(name) ? Enum.Parse<T>(name) : throw new SerializationException($"{typeof(T).Name} '{name}' is not known to this version.");
}
