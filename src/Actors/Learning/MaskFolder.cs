namespace DfPO.Actors.Learning;

/// <summary>Where an exported policy keeps the mask policy that it is drawn under.</summary>
public static class MaskFolder
{
    /// <summary>The folder in an export that holds the mask policy, where its weights are others.</summary>
    public static string In(string export) => Path.Combine(export, "mask");

    /// <summary>The checkpoint that an exported policy is masked by: one of its own, or itself.</summary>
    public static string Of(string export) => Directory.Exists(In(export)) ? In(export) : export;
}
