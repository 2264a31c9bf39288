using DfPO.Models.Tokenizers.AddedTokens;
using DfPO.Models.Tokenizers.Decoders;
using DfPO.Models.Tokenizers.PreTokenizers;
using DfPO.Models.Tokenizers.Processors;
using DfPO.Models.Tokenizers.Segmentation;
using DfPO.Models.Tokenizers.Text;

namespace DfPO.Models.Tokenizers;

/// <summary>The steps from text to ids and back that a <c>tokenizer.json</c> describes. Safe for use by several threads.</summary>
/// <param name="Added">Tokens found before the text is cut up, and the normaliser.</param>
/// <param name="PreTokenizer">What cuts the rest.</param>
/// <param name="Segmenter">What makes tokens of the pieces.</param>
/// <param name="Template">What is put around a text.</param>
/// <param name="Decoder">What makes text of tokens; null to join them by spaces.</param>
internal sealed record TokenizerPipeline(
    AddedVocabulary Added,
    IPreTokenizer PreTokenizer,
    ISegmenter Segmenter,
    Template Template,
    IDecoder? Decoder
)
{
    /// <summary>Whether special tokens in a text are cut up as text where the caller does not say.</summary>
    public bool SplitSpecial { get; init; }

    /// <summary>Whether spaces that English does not write are taken away from decoded text.</summary>
    public bool CleanUpText { get; init; }

    /// <summary>One more than the largest id.</summary>
    public int End { get; } = Math.Max(Segmenter.Vocabulary.End, Added.Tokens.Keys.DefaultIfEmpty(-1).Max() + 1);

    /// <summary>Id of a token; null when there is none.</summary>
    public int? Id(string token) =>
        Added.Tokens.Values.FirstOrDefault(added => added.Content == token)?.Id ?? Segmenter.Vocabulary.Id(token);

    /// <summary>A token as the vocabulary has it; null where an id has none.</summary>
    public string? Token(int id) => Added.Tokens.TryGetValue(id, out var added) ? added.Content : Segmenter.Vocabulary.Token(id);

    /// <summary>Ids of a text, without special tokens around it.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="splitSpecial">Whether special tokens in it are cut up as text.</param>
    public int[] Encode(string text, bool splitSpecial)
    {
        var ids = new List<int>(text.Length / 3 + 1);
        var pieces = new List<Piece>();
        foreach (var part in Added.Extract(Characters.WellFormed(text), splitSpecial))
        {
            if (part.Token is { } token)
            {
                ids.Add(token.Id);
                continue;
            }
            pieces.Clear();
            PreTokenizer.Split(new Piece(part.Text, part.IsFirst), pieces);
            foreach (var piece in pieces)
                Segmenter.Segment(piece.Text, ids);
        }
        return [.. ids];
    }

    /// <summary>The text of ids; those that are none read as nothing.</summary>
    /// <param name="ids">Ids.</param>
    /// <param name="skipSpecial">Whether special tokens read as nothing too.</param>
    /// <param name="begins">Whether they begin a text, rather than go on with one.</param>
    public string Decode(IEnumerable<int> ids, bool skipSpecial, bool begins)
    {
        var tokens = new List<string>();
        foreach (var id in ids)
            if (Token(id) is { } token && !(skipSpecial && Added.IsSpecial(token)))
                tokens.Add(token);
        var text = Decoder is null ? string.Join(' ', tokens) : string.Concat(Decoder.Decode(tokens, begins));
        return CleanUpText ? CleanUp.OfText(text) : text;
    }
}
