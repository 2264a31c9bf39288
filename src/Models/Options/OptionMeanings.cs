using System.Collections.Concurrent;
using System.Reflection;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace DfPO.Models.Options;

/// <summary>
/// The summaries of properties and enum members as plain text, from the documentation files that the compiler writes beside the assemblies.
/// </summary>
public static partial class OptionMeanings
{
    private static readonly ConcurrentDictionary<Assembly, IReadOnlyDictionary<string, XElement>> s_files = new();

    /// <summary>The summary of a member; empty where it has none.</summary>
    /// <exception cref="DfpoException"><c>options/documentation</c>: the assembly's documentation file is not beside it.</exception>
    public static string Of(MemberInfo member)
    {
        var kind = member is FieldInfo ? 'F' : 'P';
        var name = $"{kind}:{member.DeclaringType!.FullName!.Replace('+', '.')}.{member.Name}";
        return s_files.GetOrAdd(member.DeclaringType.Assembly, Read).TryGetValue(name, out var summary)
            ? Blanks().Replace(string.Concat(summary.Nodes().Select(Text)), " ").Trim()
            : "";
    }

    private static IReadOnlyDictionary<string, XElement> Read(Assembly assembly)
    {
        var path = Path.Combine(AppContext.BaseDirectory, assembly.GetName().Name + ".xml");
        if (!File.Exists(path))
            throw new DfpoException(
                "options/documentation",
                $"'{path}' is missing, which says what the keys mean: build or publish the program with its documentation files."
            );
        return XDocument
            .Load(path)
            .Descendants("member")
            .Where(member => member.Element("summary") is not null)
            .ToDictionary(member => (string)member.Attribute("name")!, member => member.Element("summary")!);
    }

    private static string Text(XNode node) =>
        node switch
        {
            XText text => text.Value,
            XElement { Name.LocalName: "see" } see when (string?)see.Attribute("cref") is { } to => Reference(to),
            XElement { Name.LocalName: "see" } see => (string?)see.Attribute("langword") ?? (string?)see.Attribute("href") ?? "",
            XElement { Name.LocalName: "paramref" } parameter => (string?)parameter.Attribute("name") ?? "",
            XElement { Name.LocalName: "c" } code => $"`{code.Value}`",
            XElement element => string.Concat(element.Nodes().Select(Text)),
            _ => "",
        };

    // A reference to a property is to its key; to anything else, by the last part of its name.
    private static string Reference(string to)
    {
        var last = to[(to.LastIndexOf('.') + 1)..];
        return to[0] is 'P' or 'F' ? $"`{Kebab.Of(last)}`"
            : to[0] == 'T' ? $"`{last}`"
            : $"`{last.Split('(')[0]}`";
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex Blanks();
}
