namespace DfPO.Models.Tokenizers;

/// <summary>Byte-level BPE of RoBERTa: GPT-2's, with ids and special tokens of its own. An input is <c>&lt;s&gt; text &lt;/s&gt;</c>.</summary>
public sealed class RobertaTokenizer : TextTokenizer
{
    /// <summary>Start, padding, end and unknown.</summary>
    internal static readonly string[] SpecialTokens = ["<s>", "<pad>", "</s>", "<unk>"];

    private readonly ByteLevelBpe _bpe;
    private readonly HashSet<int> _special;

    internal RobertaTokenizer(string folder, ByteLevelBpe bpe) : base(folder)
    {
        _bpe = bpe;
        var ids = SpecialTokens.Select(bpe.Id).ToArray();
        (BosTokenId, PadTokenId, EosTokenId) = (ids[0], ids[1], ids[2]);
        (Prefix, Suffix, _special) = ([BosTokenId], [EosTokenId], [.. ids]);
    }

    /// <inheritdoc/>
    public override int VocabularySize => _bpe.Size;

    /// <summary>Id of <c>&lt;s&gt;</c>.</summary>
    public int BosTokenId { get; }

    /// <summary>Id of <c>&lt;/s&gt;</c>.</summary>
    public override int EosTokenId { get; }

    /// <summary>Id of <c>&lt;pad&gt;</c>.</summary>
    public override int PadTokenId { get; }

    /// <inheritdoc/>
    protected override IReadOnlyList<int> Prefix { get; }

    /// <inheritdoc/>
    protected override IReadOnlyList<int> Suffix { get; }

    /// <summary>Loads the tokenizer of a checkpoint folder.</summary>
    /// <exception cref="DfpoException"><c>tokenizer/missing</c> or <c>tokenizer/corrupt</c>.</exception>
    public static new RobertaTokenizer Load(string folder) => new(folder, ByteLevelBpe.Load(folder));

    /// <inheritdoc/>
    protected override bool IsSpecial(int id) => _special.Contains(id);

    /// <inheritdoc/>
    protected override int[] EncodeText(string text) => _bpe.Encode(text);

    /// <inheritdoc/>
    protected override string DecodeText(IEnumerable<int> ids) => _bpe.Decode(ids);
}
