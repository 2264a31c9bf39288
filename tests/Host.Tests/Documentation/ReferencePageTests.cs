using System.Text.RegularExpressions;
using DfPO.Host.Telemetry;
using DfPO.Tasks.Metrics;

namespace DfPO.Host.Tests.Documentation;

/// <summary>The pages of metrics and of errors, against what the source says.</summary>
public sealed partial class ReferencePageTests
{
    // Names with a slash that are neither metrics nor codes.
    private static readonly string[] s_others =
    [
        "application/json",
        "application/octet-stream",
        "application/vnd.git-lfs+json",
        "application/x-ndjson",
        "dfpo-toxicity/1",
        "http/protobuf",
        "n/a",
        "tok/s",
        "tokens/s",
    ];

    // Training on pairs is a loss without a command: nothing records its figures.
    private const string Unrecorded = "reward/";

    private static readonly IReadOnlyList<string> s_sources =
    [
        .. Pages
            .Files("*.cs")
            .Where(file => file.StartsWith("src/", StringComparison.Ordinal))
            .Select(file => File.ReadAllText(Repository.Path(file))),
    ];

    private static readonly IReadOnlyList<string> s_codes =
    [
        .. Row().Matches(Pages.Read("docs/errors.md")).Select(row => row.Groups[1].Value),
    ];

    [Fact]
    public void The_page_of_metrics_is_in_step_with_the_code() => Assert.Equal(MetricCatalog.Page(), Pages.Read("docs/metrics.md"));

    [Fact]
    public void Every_name_in_the_source_is_a_metric_or_an_error_of_the_pages()
    {
        var names = s_sources.SelectMany(source => Literal().Matches(source)).Select(name => name.Groups[1].Value).Distinct();
        Assert.DoesNotContain(names.Except(s_codes).Except(s_others), name =>
            MetricCatalog.Find(name) is null && !name.StartsWith(Unrecorded, StringComparison.Ordinal)
        );
    }

    [Fact]
    public void Every_error_of_the_page_is_in_the_source() =>
        Assert.All(s_codes, code => Assert.Contains(s_sources, source => source.Contains($"\"{code}\"", StringComparison.Ordinal)));

    [Fact]
    public void Every_metric_of_the_page_is_in_the_source()
    {
        var figures = GenerationMetrics.Figures.Select(figure => figure.Name).ToArray();
        Assert.All(
            MetricCatalog.All.Select(metric => metric.Name).Where(name => !name.Contains('{') && !figures.Contains(name.Split('/')[^1])),
            name => Assert.Contains(s_sources, Recorded(name).IsMatch)
        );
    }

    [Fact]
    public void Every_figure_of_an_evaluation_has_its_entry() =>
        Assert.All(GenerationMetrics.Figures, figure =>
            Assert.Equal($"rollout/{figure.Name}", MetricCatalog.Find($"rollout/{figure.Name}")?.Name)
        );

    [Fact]
    public void A_type_that_a_page_names_is_in_the_source()
    {
        var sources = string.Concat(Pages.Files("*.cs").Select(Pages.Read));
        var names = Pages
            .ForReaders.Where(page => page.StartsWith("docs/a", StringComparison.Ordinal))
            .SelectMany(page => TypeName().Matches(Pages.Prose(page)).Select(name => (Page: page, Name: name.Groups[1].Value)))
            .Distinct();
        Assert.All(names, named => Assert.True(Regex.IsMatch(sources, $@"\b{named.Name}\b"), $"{named.Page}: there is no {named.Name}"));
    }

    [Fact]
    public void An_error_is_explained_once() => Assert.Equal(s_codes.Distinct().Order(StringComparer.Ordinal), s_codes);

    // Written by name into a dictionary or a line, or handed on as an argument.
    private static Regex Recorded(string name) => new($"[(:?,\\[] ?\"{Regex.Escape(name)}\"");

    [GeneratedRegex("\"([a-z][a-z0-9_+-]*/[a-z0-9_+-]+)\"")]
    private static partial Regex Literal();

    [GeneratedRegex("`([A-Z][A-Za-z]+[a-z])`")]
    private static partial Regex TypeName();

    [GeneratedRegex(@"^\| `([a-z]+/[a-z-]+)` \|", RegexOptions.Multiline)]
    private static partial Regex Row();
}
