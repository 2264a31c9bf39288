using System.Text.RegularExpressions;

namespace DfPO.Models.Hub;

/// <summary>A model on a hub.</summary>
/// <param name="Id"><c>organisation/name</c>, or a name alone.</param>
/// <param name="Revision">Branch, tag or commit.</param>
public sealed partial record HubRepository(string Id, string Revision)
{
    /// <summary>Checks both parts, which become parts of addresses and paths.</summary>
    /// <exception cref="DfpoException"><c>usage/hub</c>.</exception>
    public static HubRepository Parse(string id, string revision = "main")
    {
        if (!IdPattern().IsMatch(id) || id.Contains("--") || id.Contains(".."))
            throw new DfpoException(
                "usage/hub",
                $"'{id}' is not the name of a model: write organisation/name, such as openai-community/gpt2."
            );
        if (!RevisionPattern().IsMatch(revision) || revision.Contains(".."))
            throw new DfpoException("usage/hub", $"'{revision}' is not a revision: give a branch, a tag or a commit.");
        return new HubRepository(id, revision);
    }

    /// <summary>Its folder in the cache, as HF names it.</summary>
    public string FolderName => Prefix + Id.Replace("/", "--");

    internal const string Prefix = "models--";

    [GeneratedRegex(@"^[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?\z", RegexOptions.CultureInvariant)]
    private static partial Regex IdPattern();

    [GeneratedRegex(@"^[A-Za-z0-9][\w./-]{0,127}\z", RegexOptions.CultureInvariant)]
    private static partial Regex RevisionPattern();
}
