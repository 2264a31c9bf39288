namespace DfPO.Models.Tokenizers.Segmentation;

/// <summary><c>WordLevel</c>: a piece is a token or unknown.</summary>
internal sealed class WordLevelSegmenter(Vocabulary vocabulary, int unknown) : ISegmenter
{
    public Vocabulary Vocabulary => vocabulary;

    public void Segment(string piece, List<int> ids) => ids.Add(vocabulary.Id(piece) ?? unknown);
}
