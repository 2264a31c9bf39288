using System.Text;

namespace DfPO.Models.Options;

/// <summary>Names of properties and enum members as configuration files spell them.</summary>
public static class Kebab
{
    /// <summary><c>MaxNewTokens</c> becomes <c>max-new-tokens</c>.</summary>
    public static string Of(string name)
    {
        var text = new StringBuilder();
        foreach (var c in name)
        {
            if (char.IsUpper(c) && text.Length > 0)
                text.Append('-');
            text.Append(char.ToLowerInvariant(c));
        }
        return text.ToString();
    }

    /// <summary>The candidate nearest to a misspelt text by edit distance.</summary>
    public static string Nearest(string text, IEnumerable<string> candidates) =>
        candidates.MinBy(candidate => Distance(text, candidate)) ?? "";

    private static int Distance(string a, string b)
    {
        int[] row = [.. Enumerable.Range(0, b.Length + 1)];
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
                (diagonal, row[j]) = (row[j], Math.Min(Math.Min(row[j], row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)));
        }
        return row[^1];
    }
}
