using DfPO.Models;

namespace DfPO.Tasks.Rewards;

/// <summary>Keys come from the environment only, never from a file of an experiment, which is kept with the run.</summary>
internal static class ApiKey
{
    public static string Read(string variable) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } key
            ? key
            : throw new DfpoException("reward/key", $"The environment variable {variable}, which holds the endpoint's key, is not set.");
}
