namespace DfPO.Models.Tokenizers;

/// <summary>Byte-level BPE with special tokens of its own, such as Llama 3's, from a folder's <c>tokenizer.json</c>.</summary>
/// <remarks>
/// The end of text and the padding are those that <c>tokenizer_config.json</c> or <c>special_tokens_map.json</c> name as <c>eos_token</c> and <c>pad_token</c>,
/// or else, the end, the (first) <c>eos_token_id</c> of <c>config.json</c>.
/// </remarks>
public sealed class BytePairTokenizer : TextTokenizer
{
    private readonly ByteLevelBpe _bpe;
    private readonly HashSet<int> _special;

    internal BytePairTokenizer(string folder, ByteLevelBpe bpe, IReadOnlyList<int> prefix, IReadOnlyList<int> suffix, IEnumerable<int> special) : base(folder)
    {
        (_bpe, Prefix, Suffix) = (bpe, prefix, suffix);
        EosTokenId = TokenizerFiles.SpecialToken(folder, "eos_token") is { } eos ? bpe.Id(eos) : EosOfModel(folder);
        PadTokenId = TokenizerFiles.SpecialToken(folder, "pad_token") is { } pad ? bpe.Id(pad) : EosTokenId;
        _special = [.. special, .. prefix, .. suffix, EosTokenId, PadTokenId];
        foreach (var id in _special.Where(id => id < 0 || id >= bpe.Size))
            throw TokenizerFiles.Corrupt(folder, $"special token {id} is none of its {bpe.Size} tokens");
    }

    /// <inheritdoc/>
    public override int VocabularySize => _bpe.Size;

    /// <inheritdoc/>
    public override int EosTokenId { get; }

    /// <inheritdoc/>
    public override int PadTokenId { get; }

    /// <inheritdoc/>
    protected override IReadOnlyList<int> Prefix { get; }

    /// <inheritdoc/>
    protected override IReadOnlyList<int> Suffix { get; }

    /// <inheritdoc/>
    protected override bool IsSpecial(int id) => _special.Contains(id);

    /// <inheritdoc/>
    protected override int[] EncodeText(string text) => _bpe.Encode(text);

    /// <inheritdoc/>
    protected override string DecodeText(IEnumerable<int> ids) => _bpe.Decode(ids);

    private static int EosOfModel(string folder)
    {
        var path = Path.Combine(folder, "config.json");
        var id = File.Exists(path) ? new HfConfigReader(HfConfigReader.ReadFile(path), path).FirstInt("eos_token_id") : null;
        return id ?? throw new DfpoException("tokenizer/missing", $"'{folder}' does not say which token ends a text: put its tokenizer_config.json with the field 'eos_token' there.");
    }
}
