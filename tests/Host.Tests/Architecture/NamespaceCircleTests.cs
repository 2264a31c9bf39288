using System.Reflection;
using DfPO.Host.Configuration;

namespace DfPO.Host.Tests.Architecture;

/// <summary>A folder is a concept: two that use each other are one concept, or a type lies in the wrong one.</summary>
public sealed class NamespaceCircleTests
{
    // Circles that are still to be cut, each a project and the folders in it ("" is its own). To be emptied: take out what was cut, put
    // nothing in.
    private static readonly (string Project, string[] Folders)[] s_uncut =
    [
        (
            "DfPO.Models",
            [
                "",
                "Chat",
                "Chat.Jinja",
                "Checkpoints",
                "Classifiers",
                "Decoders",
                "Decoders.Families",
                "Decoding",
                "Gguf",
                "Gpt2",
                "Layers",
                "Lora",
                "Options",
                "T5",
                "Tokenizers",
                "Tokenizers.AddedTokens",
                "Tokenizers.Decoders",
                "Tokenizers.Normalizers",
                "Tokenizers.PreTokenizers",
                "Tokenizers.Processors",
                "Tokenizers.Segmentation",
                "Tokenizers.Text",
            ]
        ),
    ];

    private static readonly string[][] s_knownCircles =
    [
        .. s_uncut.Select(circle => circle.Folders.Select(folder => $"{circle.Project}.{folder}".TrimEnd('.')).ToArray()),
    ];

    private static readonly Assembly[] s_projects = [.. Floors(typeof(ExperimentFile).Assembly).Distinct()];
    private static readonly NamespaceGraph s_graph = new(s_projects);

    [Fact]
    public void Every_project_is_looked_at() =>
        Assert.Equal(Directory.GetFiles(Repository.Path("src"), "*.csproj", SearchOption.AllDirectories).Length, s_projects.Length);

    [Fact]
    public void No_two_namespaces_of_a_project_use_each_other()
    {
        var unknown = s_graph.Circles().Where(circle => !s_knownCircles.Any(known => circle.All(known.Contains))).ToArray();
        Assert.True(
            unknown.Length == 0,
            "Namespaces in a circle; move what one of them uses of another:\n"
                + string.Join('\n', unknown.Select(circle => $"{string.Join(", ", circle)}\n{s_graph.Explain(circle)}"))
        );
    }

    [Fact]
    public void Every_known_circle_is_still_one()
    {
        var circles = s_graph.Circles();
        Assert.All(s_knownCircles, known =>
            Assert.True(
                circles.Any(circle => circle.All(known.Contains)),
                $"No longer a circle, take it off the list: {string.Join(", ", known)}"
            )
        );
    }

    [Fact]
    public void A_circle_is_found_and_told()
    {
        // Both ways of using: one in a signature, one in a method body alone.
        var graph = new NamespaceGraph([typeof(NamespaceCircleTests).Assembly]);
        string[] circle = [typeof(SampleCircle.One.Caller).Namespace!, typeof(SampleCircle.Two.Called).Namespace!];
        Assert.Contains(graph.Circles(), found => found.SequenceEqual(circle));
        Assert.Contains("Caller -> Called", graph.Explain(circle));
        Assert.Contains("Called -> Argument", graph.Explain(circle));
    }

    private static IEnumerable<Assembly> Floors(Assembly top) =>
        top.GetReferencedAssemblies()
            .Where(below => below.Name!.StartsWith("DfPO.", StringComparison.Ordinal))
            .Select(Assembly.Load)
            .SelectMany(Floors)
            .Append(top);
}
