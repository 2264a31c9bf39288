using System.Reflection;

namespace DfPO.Actors;

/// <summary>The version that processes of one cluster must share: results are only the same bits when the code is.</summary>
public static class ProductVersion
{
    /// <summary>Version and, where it was built from a repository, commit.</summary>
    public static string Text { get; } =
        typeof(ProductVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion
        ?? typeof(ProductVersion).Assembly.GetName().Version!.ToString();
}
