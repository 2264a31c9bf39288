namespace DfPO.Models.Tokenizers.Segmentation;

/// <summary>Makes tokens of a piece of text: <c>model</c> in <c>tokenizer.json</c>. Safe for use by several threads.</summary>
internal interface ISegmenter
{
    Vocabulary Vocabulary { get; }

    /// <summary>Adds the ids of a piece.</summary>
    /// <param name="piece">Not empty.</param>
    /// <param name="ids">Receives them.</param>
    void Segment(string piece, List<int> ids);
}
