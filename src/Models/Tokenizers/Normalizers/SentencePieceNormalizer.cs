namespace DfPO.Models.Tokenizers.Normalizers;

/// <summary>As SentencePiece normalises: its map of characters, and single blanks between words and none around them.</summary>
/// <param name="map">The map; null for none.</param>
internal sealed class SentencePieceNormalizer(PrecompiledNormalizer? map) : INormalizer
{
    public string Normalize(string text) =>
        string.Join(' ', (map?.NormalizeLongest(text) ?? text).Split(' ', StringSplitOptions.RemoveEmptyEntries));
}
