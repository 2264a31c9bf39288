namespace DfPO.Models.Tokenizers.PreTokenizers;

/// <summary>What becomes of the matches at which a text is cut.</summary>
internal enum SplitBehavior
{
    /// <summary>Pieces of their own.</summary>
    Isolated,

    /// <summary>Left out.</summary>
    Removed,

    /// <summary>Part of the piece before.</summary>
    MergedWithPrevious,

    /// <summary>Part of the piece behind.</summary>
    MergedWithNext,

    /// <summary>Neighbouring matches are one piece, and so are neighbouring parts between.</summary>
    Contiguous,
}
