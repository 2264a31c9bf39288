namespace DfPO.Models.Options;

/// <summary>
/// A text option is the path of a file or folder: a relative one is looked for beside the experiment's file and in the program's folder.
/// </summary>
/// <param name="what">What the path is of, for errors: "a checkpoint folder".</param>
[AttributeUsage(AttributeTargets.Property)]
public sealed class PathOptionAttribute(string what) : Attribute
{
    /// <summary>What the path is of.</summary>
    public string What => what;

    /// <summary>A text that stands for no path at all; null for none.</summary>
    public string? Except { get; init; }
}

/// <summary>What a number counts: "nats a token", "tokens", "iterations".</summary>
/// <param name="name">The unit.</param>
[AttributeUsage(AttributeTargets.Property)]
public sealed class UnitAttribute(string name) : Attribute
{
    /// <summary>The unit.</summary>
    public string Name => name;
}

/// <summary>An option, or a section, that a resumed run may have otherwise: it decides how a run goes, not what is learnt.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class MayChangeAttribute : Attribute;

/// <summary>A property that is no key of a file, because another key decides it.</summary>
/// <param name="from">What it follows from.</param>
[AttributeUsage(AttributeTargets.Property)]
public sealed class FollowsAttribute(string from) : Attribute
{
    /// <summary>What it follows from.</summary>
    public string From => from;
}

/// <summary>A number of which infinity says something, in code; a file leaves the key's rule out instead.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class MayBeInfiniteAttribute : Attribute;
