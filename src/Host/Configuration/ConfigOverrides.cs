using System.Collections;
using DfPO.Models;

namespace DfPO.Host.Configuration;

/// <summary>Values from outside the files: environment variables, and above them the command line.</summary>
internal static class ConfigOverrides
{
    private const string Prefix = "DFPO__";

    /// <summary><c>DFPO__LEARNER__LEARNING_RATE=1e-5</c> sets <c>learner.learning-rate</c>.</summary>
    public static ConfigNode.Branch FromEnvironment(IDictionary variables) =>
        variables
            .Cast<DictionaryEntry>()
            .Where(variable => ((string)variable.Key).StartsWith(Prefix, StringComparison.Ordinal))
            .OrderBy(variable => (string)variable.Key, StringComparer.Ordinal)
            .Aggregate(ConfigNode.Branch.Empty, (tree, variable) =>
            {
                var name = (string)variable.Key;
                var key = name[Prefix.Length..].Replace("__", ".").Replace('_', '-').ToLowerInvariant();
                return tree.Under(Value(key, (string?)variable.Value ?? "", $"environment variable {name}"));
            });

    /// <summary><c>--set learner.learning-rate=1e-5</c>; later ones win.</summary>
    /// <exception cref="DfpoException"><c>config/set</c>: no equals sign or no key.</exception>
    public static ConfigNode.Branch FromCommandLine(IEnumerable<string> settings) =>
        settings.Aggregate(ConfigNode.Branch.Empty, (tree, setting) =>
            setting.IndexOf('=', StringComparison.Ordinal) is > 0 and var at
                ? tree.Under(Value(setting[..at].Trim(), setting[(at + 1)..].Trim(), $"--set {setting}"))
                : throw new DfpoException(
                    "config/set",
                    $"--set '{setting}' must have the form key=value, for example --set learner.learning-rate=1e-5."
                )
        );

    private static ConfigNode.Branch Value(string key, string text, string source) =>
        text.StartsWith('[')
            ? HoconFile.Parse($"{key} = {text}", source)
            : ConfigNode.Branch.Of(key, new ConfigNode.Leaf([text], false, source));
}
