using DfPO.Learner.Configuration;
using DfPO.Models;
using DfPO.Models.Options;

namespace DfPO.Learner.Checkpoints;

/// <summary>
/// The options that decide what is learnt, which a resumed run must repeat: all but those marked <see cref="MayChangeAttribute"/>, and
/// other rules' sections.
/// </summary>
internal static class LearnerFingerprint
{
    /// <summary>Values by key.</summary>
    public static IReadOnlyDictionary<string, string> Of(LearnerOptions options, ulong seed)
    {
        var others = options.Sections().Select(section => section.Name).Except(ObjectiveRegistry.Sections(options)).ToHashSet();
        return Values(options, "learner.", property => !others.Contains(property))
            .Prepend(new("seed", OptionValues.Text(seed)))
            .ToDictionary();
    }

    /// <summary>Refuses to go on with other options.</summary>
    /// <param name="folder">The checkpoint.</param>
    /// <param name="saved">What it was made with.</param>
    /// <param name="now">What the run has.</param>
    /// <exception cref="DfpoException"><c>learner/resume</c>, naming each key that differs.</exception>
    public static void Require(string folder, IReadOnlyDictionary<string, string> saved, IReadOnlyDictionary<string, string> now)
    {
        string Value(IReadOnlyDictionary<string, string> all, string key) => all.TryGetValue(key, out var value) ? value : "not there";
        string[] different =
        [
            .. saved
                .Keys.Union(now.Keys)
                .Where(key => Value(saved, key) != Value(now, key))
                .Select(key => $"'{key}' was {Value(saved, key)} and is {Value(now, key)}"),
        ];
        if (different.Length > 0)
            throw new DfpoException(
                "learner/resume",
                $"'{folder}' was made with other options: {string.Join("; ", different)}. Set them back, or start a new run."
            );
    }

    private static IEnumerable<KeyValuePair<string, string>> Values(object options, string prefix, Func<string, bool> counts) =>
        OptionSchema
            .Properties(options.GetType())
            .Where(property => counts(property.Name) && !property.IsDefined(typeof(MayChangeAttribute), inherit: false))
            .SelectMany(property =>
                (property.GetValue(options), prefix + Kebab.Of(property.Name)) switch
                {
                    (null, _) => [],
                    var (section, key) when OptionSchema.IsSection(property.PropertyType) => Values(section, key + ".", _ => true),
                    var (value, key) => [new KeyValuePair<string, string>(key, OptionValues.Text(value))],
                }
            );
}
