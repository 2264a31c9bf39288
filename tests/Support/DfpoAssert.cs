using DfPO.Models;

namespace DfPO.Tests.Support;

/// <summary>Assertions on errors of the domain.</summary>
internal static class DfpoAssert
{
    /// <summary>
    /// The code of the <see cref="DfpoException"/> that an action throws, after a check that its message holds all of some words.
    /// </summary>
    public static string CodeOf(Action action, params string[] words)
    {
        var error = Assert.Throws<DfpoException>(action);
        foreach (var word in words)
            Assert.Contains(word, error.Message);
        return error.Code;
    }
}
