using System.Text;
using DfPO.Actors.Configuration;
using DfPO.Models;

namespace DfPO.Host.Configuration.Reference;

/// <summary>What a reader may know of the keys of an experiment: one key, or all of them as a page.</summary>
internal static class KeyReference
{
    private const int LineLength = 140;

    private static IEnumerable<OptionKey> All => OptionSchema.Of(typeof(ExperimentConfig)).Where(key => key.Follows is null);

    /// <summary>One key, or a section with the keys in it, for a terminal.</summary>
    /// <param name="name">The key's full name, or its last part where only one key ends with it.</param>
    /// <exception cref="DfpoException"><c>config/unknown-key</c>.</exception>
    public static string Explain(string name)
    {
        if (name == LearnerPresets.Key)
            return $"{LearnerPresets.Key}: choice\n  Settings of the learner's switches under a name, which explicit keys override.\n{string.Concat(LearnerPresets.All.Select(preset => $"  {preset.Key}: {preset.Value}\n"))}";
        var key = All.FirstOrDefault(key => key.Key == name)
            ?? Only([.. All.Where(key => key.Key.EndsWith("." + name, StringComparison.Ordinal))], name);
        var text = new StringBuilder()
            .Append(key.Key)
            .Append(": ")
            .Append(key.Type)
            .Append('\n')
            .Append("  ")
            .Append(key.Meaning)
            .Append('\n');
        foreach (var (what, value) in Facts(key))
            text.Append("  ").Append(what).Append(": ").Append(value).Append('\n');
        foreach (var choice in Choices(key))
            text.Append("    ").Append(choice.Name).Append(": ").Append(choice.Meaning).Append('\n');
        foreach (var inner in All.Where(other => other.Key.StartsWith(key.Key + ".", StringComparison.Ordinal)))
            text.Append("  ").Append(inner.Key).Append(inner.IsSection ? "" : $" = {Default(inner)}").Append('\n');
        return text.ToString();
    }

    /// <summary>Every key with what is known of it, as the page <c>docs/configuration.md</c>.</summary>
    public static string Page()
    {
        var page = new StringBuilder(
            """
            # Configuration

            Every key of an experiment's file. This page is written by `dfpo plan --reference`; do not edit it.

            A key can be set in the file, on the command line (`--set learner.gamma=0.9`) and by the environment (`DFPO__LEARNER__GAMMA=0.9`).
            `dfpo plan --explain KEY` tells the same of one key, and `dfpo plan --schema` writes a JSON schema for editors.
            Keys marked * may change when a run is resumed.


            """
        );
        page.Append("## Presets\n\n`learner.preset` gives settings of the learner's switches a name. Explicit keys override them.\n\n");
        foreach (var (name, settings) in LearnerPresets.All)
            Item(page, "", $"`{name}`: {settings}");
        foreach (var section in All.Where(key => key.IsSection).Select(key => key.Key).Prepend(""))
        {
            OptionKey[] keys = [.. All.Where(key => !key.IsSection && SectionOf(key.Key) == section)];
            if (keys.Length == 0)
                continue;
            page.Append($"\n## {(section.Length == 0 ? "Top level" : $"`{section}`")}\n\n");
            if (section.Length > 0)
                page.Append(Wrapped(All.First(key => key.Key == section).Meaning, "", "")).Append('\n');
            foreach (var key in keys)
            {
                var name = key.Key[(section.Length == 0 ? 0 : section.Length + 1)..];
                Item(
                    page,
                    "",
                    $"**`{name}`**{(key.MayChange ? " \\*" : "")}: {TypeAndRange(key)}; default `{Default(key)}`. {key.Meaning}"
                );
                foreach (var choice in Choices(key))
                    Item(page, "  ", $"`{choice.Name}`: {choice.Meaning}");
            }
        }
        return page.ToString();
    }

    /// <summary>The values of a choice with their meanings.</summary>
    public static IEnumerable<(string Name, string Meaning)> Choices(OptionKey key)
    {
        var type = OptionSchema.ItemType(key.Property.PropertyType) ?? key.Property.PropertyType;
        return type.IsEnum ? Enum.GetNames(type).Select(name => (Kebab.Of(name), OptionMeanings.Of(type.GetField(name)!))) : [];
    }

    private static IEnumerable<(string What, string Value)> Facts(OptionKey key)
    {
        if (key.Range is { } range)
            yield return ("must be", range);
        if (key.Unit is { } unit)
            yield return ("unit", unit);
        if (!key.IsSection)
            yield return ("default", Default(key));
        if (key.Path is { } path)
            yield return ("path of", path.What);
        if (!key.IsSection)
            yield return ("on resuming", key.MayChange ? "may change" : "must be the same where it decides what is learnt");
    }

    private static OptionKey Only(IReadOnlyList<OptionKey> found, string name) =>
        found.Count switch
        {
            1 => found[0],
            0 => throw new DfpoException(
                "config/unknown-key",
                $"Key '{name}' is not known; the nearest known key is '{Kebab.Nearest(name, All.Select(key => key.Key))}'."
            ),
            _ => throw new DfpoException(
                "config/unknown-key",
                $"'{name}' may be {string.Join(", ", found.Select(key => key.Key))}: give the whole name."
            ),
        };

    private static string SectionOf(string key) => key.LastIndexOf('.') is > 0 and var at ? key[..at] : "";

    private static string TypeAndRange(OptionKey key) =>
        key.Type + (key.Unit is { } unit ? $", {unit}" : "") + (key.Range is { } range && key.Path is null ? $", {range}" : "");

    private static string Default(OptionKey key) => key.Default is null or "" ? "\"\"" : OptionValues.Text(key.Default);

    private static void Item(StringBuilder page, string indent, string text) => page.Append(Wrapped(text, indent + "- ", indent + "  "));

    /// <summary>A text in lines of at most 140 characters.</summary>
    private static string Wrapped(string text, string first, string next)
    {
        var (lines, line) = (new StringBuilder(), first);
        foreach (var word in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            var begins = line.Length == (lines.Length == 0 ? first : next).Length;
            if (!begins && line.Length + 1 + word.Length > LineLength)
            {
                lines.Append(line).Append('\n');
                (line, begins) = (next, true);
            }
            line += begins ? word : " " + word;
        }
        return lines.Append(line).Append('\n').ToString();
    }
}
