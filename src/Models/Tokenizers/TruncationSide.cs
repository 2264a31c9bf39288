namespace DfPO.Models.Tokenizers;

/// <summary>The end of a text that is cut where it has more tokens than it may (Hugging Face's <c>truncation_side</c>).</summary>
public enum TruncationSide
{
    /// <summary>The beginning goes: what is continued stays.</summary>
    Left,

    /// <summary>The end goes.</summary>
    Right,
}
