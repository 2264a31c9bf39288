namespace DfPO.Models.Tokenizers;

/// <summary>A token that is found in a text as it is, before the text is cut up.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Content">Its text.</param>
public sealed record AddedToken(int Id, string Content)
{
    /// <summary>Whether it is left out of decoded text where special tokens are.</summary>
    public bool Special { get; init; }

    /// <summary>Whether it takes the white space before it.</summary>
    public bool LeftStrip { get; init; }

    /// <summary>Whether it takes the white space behind it.</summary>
    public bool RightStrip { get; init; }

    /// <summary>Whether it is found only where no letter, digit or the like stands next to it.</summary>
    public bool SingleWord { get; init; }

    /// <summary>Whether it is looked for in the normalised text rather than in the text as it came.</summary>
    public bool Normalized { get; init; }
}
