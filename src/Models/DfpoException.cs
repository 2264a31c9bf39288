namespace DfPO.Models;

/// <summary>An error of the domain: what is wrong, where, and what to do about it, in words a user can act on.</summary>
/// <param name="code">Stable code of the form <c>area/what</c>, for example <c>checkpoint/missing-tensor</c>.</param>
/// <param name="message">One sentence or two: the file, the field, and the fix.</param>
/// <param name="inner">What caused it, if anything did.</param>
public sealed class DfpoException(string code, string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>Stable code of the form <c>area/what</c>; tests and scripts may rely on it.</summary>
    public string Code { get; } = code;
}
