namespace DfPO.Models.Tokenizers.PreTokenizers;

/// <summary>A part of a text on its way to tokens.</summary>
/// <param name="Text">The part, normalised; never empty.</param>
/// <param name="IsFirst">Whether it begins where the whole text begins.</param>
internal readonly record struct Piece(string Text, bool IsFirst);
