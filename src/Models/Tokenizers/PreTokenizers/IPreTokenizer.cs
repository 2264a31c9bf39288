namespace DfPO.Models.Tokenizers.PreTokenizers;

/// <summary>Cuts a piece of text into smaller ones; a step of <c>pre_tokenizer</c> in <c>tokenizer.json</c>.</summary>
internal interface IPreTokenizer
{
    /// <summary>Adds the parts of a piece that are not empty, in order.</summary>
    void Split(Piece piece, List<Piece> into);
}
