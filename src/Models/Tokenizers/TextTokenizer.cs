namespace DfPO.Models.Tokenizers;

/// <summary>Text to token ids and back, as a checkpoint folder's own files say.</summary>
/// <remarks>
/// Text is never taken for a special token: <c>&lt;/s&gt;</c> or <c>[SEP]</c> in a prompt is encoded as the characters it is made of. T5's
/// sentinels, which only text can ask for, are the exception. Safe for use by several threads.
/// </remarks>
/// <param name="folder">Where it was loaded from.</param>
public abstract class TextTokenizer(string folder)
{
    private static readonly (string File, Func<string, TextTokenizer> Load)[] s_kinds =
    [
        (T5Tokenizer.FileName, T5Tokenizer.Load),
        (LlamaTokenizer.FileName, LlamaTokenizer.Load),
        (LlamaTokenizer.Llama2cFileName, LlamaTokenizer.Load),
        (BertTokenizer.FileName, BertTokenizer.Load),
        (ByteLevelBpe.VocabularyName, ByteLevelBpe.LoadTokenizer),
        (ByteLevelBpe.MergesName, ByteLevelBpe.LoadTokenizer),
        (TokenizerJson.FileName, TokenizerJson.Load),
    ];

    /// <summary>Where it was loaded from.</summary>
    public string Folder { get; } = folder;

    /// <summary>Number of tokens, special ones included.</summary>
    public abstract int VocabularySize { get; }

    /// <summary>Id that ends a text.</summary>
    public abstract int EosTokenId { get; }

    /// <summary>Id of padding; that of the end of text where there is no padding token.</summary>
    public abstract int PadTokenId { get; }

    /// <summary>Special ids that a model's input begins with.</summary>
    protected virtual IReadOnlyList<int> Prefix => [];

    /// <summary>Special ids that a model's input ends with.</summary>
    protected virtual IReadOnlyList<int> Suffix => [];

    /// <summary>Loads the tokenizer of a checkpoint folder, picked by the files that are there.</summary>
    /// <remarks>
    /// <c>spiece.model</c>: T5; <c>tokenizer.model</c> (or llama2.c's <c>tokens.json</c>): Llama; <c>vocab.txt</c>: BERT; <c>vocab.json</c> and
    /// <c>merges.txt</c>: RoBERTa if the vocabulary has its special tokens, else GPT-2. Without these: HF's <c>tokenizer.json</c>, byte-level BPE,
    /// WordPiece or T5's unigrams.
    /// </remarks>
    /// <exception cref="DfpoException"><c>tokenizer/missing</c>, <c>tokenizer/corrupt</c> or <c>tokenizer/unsupported</c>.</exception>
    public static TextTokenizer Load(string folder)
    {
        foreach (var (file, load) in s_kinds)
            if (File.Exists(Path.Combine(folder, file)))
                return load(folder);
        throw new DfpoException("tokenizer/missing",
            $"'{folder}' holds no tokenizer: expected are vocab.json and merges.txt (GPT-2, RoBERTa), vocab.txt (BERT), spiece.model (T5), tokenizer.model (Llama), or {TokenizerJson.FileName} alone.");
    }

    /// <summary>Token ids of a text, without special tokens.</summary>
    /// <exception cref="DfpoException"><c>tokenizer/corrupt</c>: the files are broken in a way that only this text shows.</exception>
    public int[] Encode(string text)
    {
        try
        {
            return EncodeText(text);
        }
        catch (Exception e) when (TokenizerFiles.IsDefect(e))
        {
            throw TokenizerFiles.Corrupt(Folder, $"a text cannot be encoded with it ({e.Message})", e);
        }
    }

    /// <summary>Token ids of a text with the special tokens around it that a model's input needs.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="longest">Most tokens, special ones included.</param>
    /// <param name="side">The end that a longer text loses.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no room for the special tokens.</exception>
    public int[] EncodeInput(string text, int longest = int.MaxValue, TruncationSide side = TruncationSide.Left)
    {
        var room = longest - Prefix.Count - Suffix.Count;
        ArgumentOutOfRangeException.ThrowIfNegative(room, nameof(longest));
        var ids = Encode(text);
        var kept = Math.Min(ids.Length, room);
        return [.. Prefix, .. side == TruncationSide.Left ? ids[^kept..] : ids[..kept], .. Suffix];
    }

    /// <summary>The text of token ids; special tokens and ids beyond the vocabulary read as nothing.</summary>
    public string Decode(IEnumerable<int> ids) => DecodeText(ids.Where(id => id >= 0 && id < VocabularySize && !IsSpecial(id)));

    /// <summary>What token ids add to the text before them: as <see cref="Decode"/>, but a space at the beginning stays.</summary>
    public virtual string DecodeContinuation(IEnumerable<int> ids) => Decode(ids);

    /// <summary>Refuses a model whose embedding is too small for these ids; one with spare rows is fine.</summary>
    /// <param name="embeddingRows">Rows of the model's embedding.</param>
    /// <exception cref="DfpoException"><c>tokenizer/mismatch</c>.</exception>
    public void CheckFits(int embeddingRows)
    {
        if (VocabularySize > embeddingRows)
            throw new DfpoException("tokenizer/mismatch",
                $"The tokenizer in '{Folder}' has {VocabularySize} tokens but the model's embedding has {embeddingRows} rows: take the tokenizer that the model was trained with.");
    }

    /// <inheritdoc cref="CheckFits(int)"/>
    public void CheckFits(CausalLM model) => CheckFits(model.VocabularySize);

    /// <summary>Whether an id stands for no text.</summary>
    protected abstract bool IsSpecial(int id);

    /// <summary>See <see cref="Encode"/>.</summary>
    protected abstract int[] EncodeText(string text);

    /// <summary>The text of ids that are within the vocabulary and not special.</summary>
    protected abstract string DecodeText(IEnumerable<int> ids);
}
