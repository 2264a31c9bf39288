namespace DfPO.Models.Tokenizers;

/// <summary>Byte-level BPE of GPT-2 and GPT-J from a folder's <c>vocab.json</c> and <c>merges.txt</c>.</summary>
public sealed class Gpt2Tokenizer : TextTokenizer
{
    /// <summary>The token that ends a text.</summary>
    public const string EndOfText = "<|endoftext|>";

    private readonly ByteLevelBpe _bpe;

    internal Gpt2Tokenizer(string folder, ByteLevelBpe bpe) : base(folder) => (_bpe, EosTokenId) = (bpe, bpe.Id(EndOfText));

    /// <inheritdoc/>
    public override int VocabularySize => _bpe.Size;

    /// <summary>Id of <see cref="EndOfText"/>.</summary>
    public override int EosTokenId { get; }

    /// <summary>Also the end of text, as GPT-2 has no padding token.</summary>
    public override int PadTokenId => EosTokenId;

    /// <summary>Loads the tokenizer of a checkpoint folder.</summary>
    /// <exception cref="DfpoException"><c>tokenizer/missing</c> or <c>tokenizer/corrupt</c>.</exception>
    public static new Gpt2Tokenizer Load(string folder) => new(folder, ByteLevelBpe.Load(folder));

    /// <inheritdoc/>
    protected override bool IsSpecial(int id) => id == EosTokenId;

    /// <inheritdoc/>
    protected override int[] EncodeText(string text) => _bpe.Encode(text);

    /// <inheritdoc/>
    protected override string DecodeText(IEnumerable<int> ids) => _bpe.Decode(ids);
}
