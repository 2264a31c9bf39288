using System.Text.RegularExpressions;

namespace DfPO.Models.Hub;

/// <summary>What a repository of a hub holds.</summary>
public enum HubKind
{
    /// <summary>A model.</summary>
    Model,

    /// <summary>A data set.</summary>
    Dataset,
}

/// <summary>A model or data set on a hub.</summary>
/// <param name="Id"><c>organisation/name</c>, or a name alone.</param>
/// <param name="Revision">Branch, tag or commit.</param>
/// <param name="Kind">Which of the two.</param>
public sealed partial record HubRepository(string Id, string Revision, HubKind Kind = HubKind.Model)
{
    /// <summary>Where a hub keeps the tables that it has made of a data set itself.</summary>
    public const string ParquetRevision = "refs/convert/parquet";

    /// <summary>Checks both parts, which become parts of addresses and paths.</summary>
    /// <exception cref="DfpoException"><c>usage/hub</c>.</exception>
    public static HubRepository Parse(string id, string revision = "main", HubKind kind = HubKind.Model)
    {
        if (!IdPattern().IsMatch(id) || id.Contains("--") || id.Contains(".."))
            throw new DfpoException(
                "usage/hub",
                kind == HubKind.Model
                    ? $"'{id}' is not the name of a model: write organisation/name, such as openai-community/gpt2."
                    : $"'{id}' is not the name of a data set: write organisation/name, such as stanfordnlp/imdb."
            );
        if (!RevisionPattern().IsMatch(revision) || revision.Contains(".."))
            throw new DfpoException("usage/hub", $"'{revision}' is not a revision: give a branch, a tag or a commit.");
        return new HubRepository(id, revision, kind);
    }

    /// <summary>Its folder in the cache, as HF names it.</summary>
    public string FolderName => (Kind == HubKind.Model ? Prefix : "datasets--") + Id.Replace("/", "--");

    /// <summary>Its address in the hub's interface.</summary>
    internal string ApiPath => $"/api/{(Kind == HubKind.Model ? "models" : "datasets")}/{Id}";

    /// <summary>Its address on the hub.</summary>
    internal string PagePath => Kind == HubKind.Model ? $"/{Id}" : $"/datasets/{Id}";

    internal const string Prefix = "models--";

    [GeneratedRegex(@"^[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?\z", RegexOptions.CultureInvariant)]
    private static partial Regex IdPattern();

    [GeneratedRegex(@"^[A-Za-z0-9][\w./-]{0,127}\z", RegexOptions.CultureInvariant)]
    private static partial Regex RevisionPattern();
}
