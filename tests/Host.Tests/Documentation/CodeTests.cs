using System.Text.RegularExpressions;
using DfPO.Actors.Configuration;
using DfPO.Host.Commands;
using DfPO.Host.Configuration;
using DfPO.Models.Options;

namespace DfPO.Host.Tests.Documentation;

/// <summary>Code in the pages: command lines are parsed, settings are bound, files of the repository that they name exist.</summary>
public sealed partial class CodeTests : IDisposable
{
    private static readonly string[] s_algorithms =
    [
        .. Pages.ForReaders.Where(page => page.StartsWith("docs/algorithms/", StringComparison.Ordinal)),
    ];
    private readonly TestFolder _folder = new();

    public static TheoryData<string> OfReaders => [.. Pages.ForReaders];

    public static TheoryData<string> OfAlgorithms => [.. s_algorithms];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(OfReaders))]
    public void A_command_line_is_one_that_the_program_takes(string page)
    {
        var run = RunFolders.Make(_folder.Path).Path;
        foreach (var shown in CommandLines(page))
        {
            var line = ARun().Replace(shown, run);
            var parsed = CommandLine.Root().Parse(line);
            Assert.True(parsed.Errors.Count == 0, $"{page}: '{line}': {string.Join(" ", parsed.Errors.Select(error => error.Message))}");
            foreach (Match setting in Setting().Matches(line))
                Assert.True(IsKey(setting.Groups[1].Value), $"{page}: '{line}': no key '{setting.Groups[1].Value}'");
            foreach (Match file in OfRepository().Matches(line))
                Assert.True(Path.Exists(Repository.Path(file.Value)), $"{page}: '{line}': '{file.Value}' does not exist");
        }
    }

    [Theory]
    [MemberData(nameof(OfReaders))]
    public void Settings_of_an_experiment_are_ones_that_it_takes(string page)
    {
        foreach (var block in Pages.Blocks(page, "hocon"))
        {
            // Studies and presets have tests of their own.
            if (block.Contains("algorithms {", StringComparison.Ordinal) || IsPreset(block))
                continue;
            var file = _folder.Write(
                "experiment.conf",
                block.Replace("include \"", $"include \"{Repository.Root}/", StringComparison.Ordinal)
            );
            ExperimentFile.Bind(file, [], new Dictionary<string, string>(), path => path);
        }
    }

    [Theory]
    [MemberData(nameof(OfAlgorithms))]
    public void The_defaults_on_an_algorithms_page_are_those_of_the_code(string page)
    {
        foreach (Match row in KeyRow().Matches(Pages.Read(page)))
        {
            var key = OptionSchema.Of(typeof(ExperimentConfig)).SingleOrDefault(key => key.Key == row.Groups[1].Value);
            Assert.True(key is not null, $"{page}: no key '{row.Groups[1].Value}'");
            Assert.Equal($"{key.Key} = {OptionValues.Text(key.Default!)}", $"{key.Key} = {row.Groups[2].Value}");
        }
    }

    [Fact]
    public void The_settings_of_every_preset_are_on_an_algorithms_page()
    {
        string[] shown = [.. s_algorithms.SelectMany(page => Pages.Blocks(page, "hocon")).Select(Line)];
        Assert.All(LearnerPresets.All, preset => Assert.Contains(preset.Value, shown));
    }

    [Fact]
    public void Every_page_of_an_algorithm_has_formula_settings_code_and_results() =>
        Assert.All(s_algorithms.Where(page => !page.EndsWith("/index.md", StringComparison.Ordinal)), page =>
            Assert.Equal(
                ["formula", "settings", "code", "results"],
                Pages.Anchors(page).Where(anchor => anchor is "formula" or "settings" or "code" or "results")
            )
        );

    [Fact]
    public void The_example_of_a_reward_in_the_documentation_is_the_one_that_tests_load() =>
        Assert.Contains(
            Pages.Blocks("docs/tasks.md", "csharp").Single(),
            File.ReadAllText(Repository.Path("tests/Plugins/Brevity/Brevity.cs")),
            StringComparison.Ordinal
        );

    private static bool IsPreset(string block) => LearnerPresets.All.Values.Contains(Line(block));

    private static string Line(string block) => block.Trim().Replace("\n", ", ", StringComparison.Ordinal);

    private static bool IsKey(string name) =>
        name == LearnerPresets.Key || OptionSchema.Of(typeof(ExperimentConfig)).Any(key => key.Key == name);

    /// <summary>The command lines of our program, in one line each and without what stands before the command.</summary>
    private static IEnumerable<string> CommandLines(string page) =>
        Pages
            .Blocks(page, "bash")
            .Concat(Pages.Blocks(page, ""))
            .SelectMany(block => block.Replace("\\\n", " ", StringComparison.Ordinal).Split('\n'))
            .Select(line => OurProgram().Match(line.Split(" #")[0]))
            .Where(match => match.Success)
            .Select(match => match.Groups[1].Value.Split(" > ")[0].Trim());

    [GeneratedRegex(@"^\s*(?:\w+=\S+ )?(?:dfpo(?= )|dotnet run --project src/Host(?: -c Release)?(?: --|$))(.*)$")]
    private static partial Regex OurProgram();

    [GeneratedRegex(@"\$?\bRUN\b|runs/NAME")]
    private static partial Regex ARun();

    [GeneratedRegex(@"--set ""?([\w.-]+)=")]
    private static partial Regex Setting();

    [GeneratedRegex(@"(?<![\w./-])(?:hocon|models)/[\w./-]+")]
    private static partial Regex OfRepository();

    [GeneratedRegex(@"^\| `(learner\.[\w.-]+)` \| `([^`]*)` \|", RegexOptions.Multiline)]
    private static partial Regex KeyRow();
}
