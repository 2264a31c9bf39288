using System.Globalization;
using DfPO.Host.Configuration;
using DfPO.Models;

namespace DfPO.Host.Studies;

/// <summary>Reads a study's HOCON file.</summary>
internal static class StudyFile
{
    /// <summary>Reads and checks it.</summary>
    /// <exception cref="DfpoException"><c>config/...</c>, naming file, key and fix.</exception>
    public static StudySpec Read(string path)
    {
        var root = new Section(HoconFile.Read(PackageFiles.Resolve(path)), path, "");
        root.Allows("name", "tasks", "algorithms", "seeds", "set", "sweep", "halving");
        var name = root.Text("name") ?? Path.GetFileNameWithoutExtension(path);
        if (name.Length == 0 || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.'))
            throw root.Wrong("name", $"'{name}'", "letters, digits, '-', '_' and '.', because it names the study's folder");
        return new(
            name,
            Tasks(root),
            [.. root.Child("algorithms").Named(Algorithm)],
            Seeds(root),
            root.Child("set", optional: true).Settings(),
            Sweep(root.Child("sweep", optional: true)),
            Halving(root.Child("halving", optional: true))
        );
    }

    private static IReadOnlyList<StudyTask> Tasks(Section root) =>
        root.Items("tasks") is { } files
            ? [.. files.Select(file => new StudyTask(Path.GetFileNameWithoutExtension(file), file, false, []))]
            :
            [
                .. root.Child("tasks")
                    .Named(
                        (name, task) =>
                        {
                            task.Allows("experiment", "alone", "set");
                            return new StudyTask(
                                name,
                                task.Text("experiment") ?? throw task.Missing("experiment", "the HOCON file of an experiment"),
                                task.Flag("alone"),
                                task.Child("set", optional: true).Settings()
                            );
                        }
                    ),
            ];

    private static StudyAlgorithm Algorithm(string name, Section section)
    {
        section.Allows("set", "sweep");
        return new(name, section.Child("set", optional: true).Settings(), Sweep(section.Child("sweep", optional: true)));
    }

    private static IReadOnlyList<ulong> Seeds(Section root) =>
        root.Items("seeds") is { Count: > 0 } seeds
            ?
            [
                .. seeds.Select(seed =>
                    ulong.TryParse(seed, NumberStyles.None, CultureInfo.InvariantCulture, out var value)
                        ? value
                        : throw root.Wrong("seeds", $"'{seed}'", "whole numbers of at least 0")
                ),
            ]
            : throw root.Missing("seeds", "a list of seeds such as [1, 2, 3]");

    private static Sweep Sweep(Section sweep)
    {
        sweep.Allows("grid", "list", "random");
        var random = sweep.Child("random", optional: true);
        random.Allows("count", "seed", "keys");
        var keys = random.Child("keys", optional: random.IsEmpty).Settings(random.Range);
        return new(
            sweep.Child("grid", optional: true).Lists(),
            [.. sweep.Child("list", optional: true).Named((name, point) => new SweepPoint(name, point.Settings()))],
            keys,
            random.IsEmpty
                ? 0
                : (int)random.Number("count", value => value >= 1 && value == Math.Floor(value), "a whole number of at least 1"),
            random.IsEmpty
                ? 0
                : (ulong)random.Number("seed", value => value >= 0 && value == Math.Floor(value), "a whole number of at least 0")
        );
    }

    private static Halving? Halving(Section halving)
    {
        if (halving.IsEmpty)
            return null;
        halving.Allows("metric", "rounds", "keep", "minimise");
        return new(
            halving.Text("metric") ?? throw halving.Missing("metric", "the name of a figure in metrics.jsonl, such as rollout/reward"),
            (int)halving.Number("rounds", value => value >= 1 && value == Math.Floor(value), "a whole number of at least 1"),
            halving.Number("keep", value => value is > 0 and < 1, "a share between 0 and 1"),
            halving.Flag("minimise")
        );
    }

    /// <summary>An object of the file that knows where it stands.</summary>
    private sealed record Section(ConfigNode.Branch Tree, string File, string Prefix)
    {
        public bool IsEmpty => Tree.Children.Count == 0;

        public void Allows(params string[] names)
        {
            if (Tree.Children.Keys.FirstOrDefault(key => !names.Contains(key)) is { } unknown)
                throw new DfpoException(
                    "config/unknown-key",
                    $"{File}: key '{Prefix}{unknown}' is not known in a study; the nearest known key is '{Prefix}{Kebab.Nearest(unknown, names)}'."
                );
        }

        public Section Child(string name, bool optional = false) =>
            Tree.Children.GetValueOrDefault(name) switch
            {
                ConfigNode.Branch branch => new(branch, File, $"{Prefix}{name}."),
                null when optional => new(ConfigNode.Branch.Empty, File, $"{Prefix}{name}."),
                null => throw Missing(name, "an object"),
                ConfigNode.Leaf leaf => throw Wrong(name, $"'{leaf.Text}'", "an object"),
                _ => throw new InvalidOperationException(),
            };

        public string? Text(string name) =>
            Tree.Children.GetValueOrDefault(name) switch
            {
                null => null,
                ConfigNode.Leaf { IsList: false } leaf => leaf.Text,
                _ => throw Wrong(name, "a list or an object", "one value"),
            };

        public bool Flag(string name) =>
            Text(name) switch
            {
                null or "false" => false,
                "true" => true,
                var text => throw Wrong(name, $"'{text}'", "true or false"),
            };

        public double Number(string name, Func<double, bool> holds, string rule) =>
            Text(name) is not { } text ? throw Missing(name, rule)
            : double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && holds(value) ? value
            : throw Wrong(name, $"'{text}'", rule);

        public IReadOnlyList<string>? Items(string name) =>
            Tree.Children.GetValueOrDefault(name) is ConfigNode.Leaf { IsList: true } leaf ? leaf.Items : null;

        public IEnumerable<T> Named<T>(Func<string, Section, T> make) => Tree.Children.Keys.Select(name => make(name, Child(name)));

        /// <summary>The values in it by their dotted keys.</summary>
        public IReadOnlyList<Setting> Settings() => [.. Tree.Leaves().Select(leaf => new Setting(leaf.Key, leaf.Value.Text))];

        /// <summary>As <see cref="Settings()"/>, each value made into something.</summary>
        public IReadOnlyList<(string, T)> Settings<T>(Func<string, ConfigNode.Leaf, T> make) =>
            [.. Tree.Leaves().Select(leaf => (leaf.Key, make(leaf.Key, leaf.Value)))];

        public IReadOnlyList<(string, IReadOnlyList<string>)> Lists() =>
            Settings(
                (key, leaf) =>
                    leaf is { IsList: true, Items.Count: > 0 }
                        ? leaf.Items
                        : throw Wrong(key, $"'{leaf.Text}'", "a list of values to sweep")
            );

        /// <summary>A list of choices, <c>uniform 0.1 0.9</c> or <c>log-uniform 1e-5 1e-3</c>.</summary>
        public RandomRange Range(string key, ConfigNode.Leaf leaf)
        {
            if (leaf is { IsList: true, Items.Count: > 0 })
                return new(0, 0, false, leaf.Items);
            var words = leaf.Text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            var logarithmic = words[0] == "log-uniform";
            return
                words is ["uniform" or "log-uniform", var first, var last]
                && double.TryParse(first, NumberStyles.Float, CultureInfo.InvariantCulture, out var from)
                && double.TryParse(last, NumberStyles.Float, CultureInfo.InvariantCulture, out var to)
                && from < to
                && (!logarithmic || from > 0)
                ? new(from, to, logarithmic, [])
                : throw Wrong(
                    $"keys.{key}",
                    $"'{leaf.Text}'",
                    "a list of choices, 'uniform LOW HIGH' or 'log-uniform LOW HIGH' with LOW above 0"
                );
        }

        public DfpoException Wrong(string name, string value, string rule) =>
            new("config/value", $"{File}: '{Prefix}{name}' is {value} but must be {rule}.");

        public DfpoException Missing(string name, string what) => new("config/value", $"{File}: '{Prefix}{name}' is missing: give {what}.");
    }
}
