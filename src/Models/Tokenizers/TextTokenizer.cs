using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using DfPO.Models.Gguf;
using DfPO.Models.Tokenizers.AddedTokens;
using DfPO.Models.Tokenizers.Normalizers;
using DfPO.Models.Tokenizers.PreTokenizers;
using DfPO.Models.Tokenizers.Segmentation;

namespace DfPO.Models.Tokenizers;

/// <summary>Text to token ids and back, exactly as transformers does with the same files.</summary>
/// <remarks>
/// One pipeline for all kinds: that of <c>tokenizer.json</c> (normaliser, pre-tokeniser, model, post-processor, decoder and added tokens).
/// Where a folder has no such file, the one that its vocabulary files amount to is made. Special tokens in a text are taken for what they
/// are, as transformers does, unless <c>split_special_tokens</c> is set. Safe for use by several threads.
/// </remarks>
public sealed class TextTokenizer
{
    private static readonly JsonSerializerOptions s_writing = new()
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };
    private readonly TokenizerPipeline _pipeline;
    private readonly Func<ReadOnlyMemory<byte>> _document;
    private readonly Dictionary<string, int> _roles = [];
    private readonly IReadOnlyList<int> _prefix,
        _suffix;

    private TextTokenizer(
        string folder,
        TokenizerPipeline pipeline,
        IEnumerable<(string Role, int Id)> roles,
        Func<ReadOnlyMemory<byte>> document
    )
    {
        (Folder, _pipeline, _document) = (folder, pipeline, document);
        foreach (var (role, id) in roles)
            _roles[role] =
                id >= 0 && id < pipeline.End
                    ? id
                    : throw TokenizerFiles.Corrupt(folder, $"its {role} is {id}, which is none of its {pipeline.End} tokens");
        var parts = pipeline.Template.Single;
        _prefix = [.. parts.TakeWhile(part => part.Text is null).SelectMany(part => part.Special)];
        _suffix = [.. parts.SkipWhile(part => part.Text is null).Skip(1).SelectMany(part => part.Special)];
    }

    /// <summary>Where it was loaded from, for messages.</summary>
    public string Folder { get; }

    /// <summary>One more than the largest id: rows that a model's embedding needs.</summary>
    public int VocabularySize => _pipeline.End;

    /// <summary>Id of the token that ends a text; an encoder's separator where it has no such token.</summary>
    /// <exception cref="DfpoException"><c>tokenizer/missing</c>: the tokenizer's files name neither.</exception>
    public int EosTokenId =>
        Role("eos_token")
        ?? Role("sep_token")
        ?? throw new DfpoException(
            "tokenizer/missing",
            $"'{Folder}' does not say which token ends a text: put its {TokenizerSettings.FileName} with the field 'eos_token' there."
        );

    /// <summary>
    /// Ids that end a text as the tokenizer's own files say; empty where they do not. Those of the model's configuration come on top.
    /// </summary>
    public IReadOnlyList<int> EosTokenIds => Role("eos_token") is { } id ? [id] : [];

    /// <summary>Id of padding; that of the end of text where there is no padding token.</summary>
    public int PadTokenId => Role("pad_token") ?? EosTokenId;

    /// <summary>Id of the token that begins a text, or null.</summary>
    public int? BosTokenId => Role("bos_token");

    /// <summary>Id of what stands for unknown text, or null.</summary>
    public int? UnkTokenId => Role("unk_token");

    /// <summary>The tokens that are found in a text as they are, special or not, by id.</summary>
    public IReadOnlyDictionary<int, AddedToken> AddedTokens => _pipeline.Added.Tokens;

    /// <summary>Loads the tokenizer of a checkpoint folder: its <c>tokenizer.json</c>, or without one its vocabulary files.</summary>
    /// <remarks>
    /// Vocabulary files: <c>vocab.json</c> and <c>merges.txt</c> (GPT-2, RoBERTa, Qwen2), <c>vocab.txt</c> (BERT), <c>spiece.model</c>
    /// (T5), <c>tokenizer.model</c> or llama2.c's <c>tokens.json</c> (Llama), each with <c>added_tokens.json</c>. Which of these it is
    /// stands in <c>tokenizer_config.json</c> or follows from <c>config.json</c>.
    /// </remarks>
    /// <exception cref="DfpoException"><c>tokenizer/missing</c>, <c>tokenizer/corrupt</c> or <c>tokenizer/unsupported</c>, with file and
    /// field.</exception>
    public static TextTokenizer Load(string folder)
    {
        if (GgufModel.Find(folder) is { } gguf)
            return GgufModel.LoadTokenizer(gguf);
        var settings = TokenizerSettings.Read(folder);
        var path = Path.Combine(folder, TokenizerJson.FileName);
        if (File.Exists(path))
        {
            var pipeline = TokenizerJson.Read(path, TokenizerFiles.Read(path), settings);
            var named = TokenizerSettings
                .Names.Select(role => (Role: role, Id: settings.Named(role) is { } text ? pipeline.Id(text) : null))
                .Where(token => token.Id is not null)
                .Select(token => (token.Role, token.Id!.Value))
                .ToList();
            if (named.All(token => token.Role != "eos_token") && EosOfModel(folder) is { } end)
                named.Add(("eos_token", end));
            return new TextTokenizer(folder, pipeline, named, () => TokenizerFiles.Read(path));
        }
        var vocabulary = VocabularyFiles.Read(folder, settings)
            ?? throw new DfpoException(
                "tokenizer/missing",
                $"'{folder}' holds no tokenizer: expected are {TokenizerJson.FileName}, or vocab.json and merges.txt (GPT-2, RoBERTa), vocab.txt (BERT), spiece.model (T5), tokenizer.model (Llama)."
            );
        return Create(folder, vocabulary, settings);
    }

    /// <summary>The tokenizer of a vocabulary and what goes with it, such as the metadata of a GGUF file.</summary>
    /// <param name="source">Where it comes from, for messages.</param>
    /// <param name="vocabulary">Its parts.</param>
    /// <exception cref="DfpoException"><c>tokenizer/corrupt</c> or <c>tokenizer/unsupported</c>.</exception>
    public static TextTokenizer Create(string source, TokenizerVocabulary vocabulary) =>
        Create(source, vocabulary, new TokenizerSettings());

    /// <summary>Token ids of a text, without special tokens around it.</summary>
    /// <exception cref="DfpoException"><c>tokenizer/corrupt</c>: the files are broken in a way that only this text shows.
    /// <c>tokenizer/pattern</c>: a pattern takes too long.</exception>
    public int[] Encode(string text) => Encode(text, _pipeline.SplitSpecial);

    /// <summary>
    /// Token ids of a text in which special tokens are only the characters that they are written with, whatever <c>split_special_tokens</c>
    /// says.
    /// </summary>
    /// <exception cref="DfpoException">As for <see cref="Encode(string)"/>.</exception>
    public int[] EncodeLiteral(string text) => Encode(text, splitSpecial: true);

    /// <summary>Token ids of a text with the special tokens around it that a model's input needs.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="longest">Most tokens, special ones included.</param>
    /// <param name="side">The end that a longer text loses.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no room for the special tokens.</exception>
    public int[] EncodeInput(string text, int longest = int.MaxValue, TruncationSide side = TruncationSide.Left)
    {
        var room = longest - _prefix.Count - _suffix.Count;
        ArgumentOutOfRangeException.ThrowIfNegative(room, nameof(longest));
        var ids = Encode(text);
        var kept = Math.Min(ids.Length, room);
        return [.. _prefix, .. side == TruncationSide.Left ? ids[^kept..] : ids[..kept], .. _suffix];
    }

    /// <summary>Special tokens that an input gets.</summary>
    public int SpecialTokens => _prefix.Count + _suffix.Count;

    /// <summary>The special tokens of an input around ids of a text, or of a part of one.</summary>
    public int[] Surround(int[] ids) => [.. _prefix, .. ids, .. _suffix];

    /// <summary>
    /// Token ids of two texts as one input, with special tokens, and the segment that each belongs to (<c>token_type_ids</c>).
    /// </summary>
    /// <param name="first">Any text.</param>
    /// <param name="second">Any text; with an empty one the input is the first alone, as in transformers.</param>
    public (int[] Ids, int[] Segments) EncodePair(string first, string second) =>
        _pipeline.Template.Apply(second.Length == 0 ? [Encode(first)] : [Encode(first), Encode(second)]);

    /// <summary>The text of token ids; ids that are no tokens read as nothing.</summary>
    /// <param name="ids">Ids.</param>
    /// <param name="skipSpecialTokens">Whether special tokens read as nothing too.</param>
    public string Decode(IEnumerable<int> ids, bool skipSpecialTokens = true) => _pipeline.Decode(ids, skipSpecialTokens, begins: true);

    /// <summary>What token ids add to the text before them: as <see cref="Decode"/>, but a space at the beginning stays.</summary>
    public string DecodeContinuation(IEnumerable<int> ids) => _pipeline.Decode(ids, skipSpecial: true, begins: false);

    /// <summary>Id of a token; null when there is none.</summary>
    public int? IdOf(string token) => _pipeline.Id(token);

    /// <summary>A token as the vocabulary has it; null where an id has none.</summary>
    public string? TokenOf(int id) => _pipeline.Token(id);

    /// <summary>Id of a role such as <c>eos_token</c> or <c>cls_token</c>; null when no token has it.</summary>
    public int? Role(string role) => _roles.TryGetValue(role, out var id) ? id : null;

    /// <summary>Refuses a model whose embedding is too small for these ids; one with spare rows is fine.</summary>
    /// <param name="embeddingRows">Rows of the model's embedding.</param>
    /// <exception cref="DfpoException"><c>tokenizer/mismatch</c>.</exception>
    public void CheckFits(int embeddingRows)
    {
        if (VocabularySize > embeddingRows)
            throw new DfpoException(
                "tokenizer/mismatch",
                $"The tokenizer in '{Folder}' has {VocabularySize} tokens but the model's embedding has {embeddingRows} rows: take the tokenizer that the model was trained with."
            );
    }

    /// <inheritdoc cref="CheckFits(int)"/>
    public void CheckFits(CausalLM model) => CheckFits(model.VocabularySize);

    /// <summary>Writes the tokenizer so that transformers, and <see cref="Load"/>, make the same ids and texts of it.</summary>
    /// <remarks>
    /// A folder with a <c>tokenizer.json</c> is copied byte for byte. Otherwise <c>tokenizer.json</c>, <c>tokenizer_config.json</c> and
    /// <c>special_tokens_map.json</c> are written; the class is <c>PreTrainedTokenizerFast</c>, for which both transformers 4 and 5 take
    /// <c>tokenizer.json</c> as it stands.
    /// </remarks>
    /// <param name="folder">Receives the files; made if it is not there.</param>
    public void Save(string folder)
    {
        Directory.CreateDirectory(folder);
        if (File.Exists(Path.Combine(Folder, TokenizerJson.FileName)))
        {
            TokenizerFiles.Copy(Folder, folder);
            return;
        }
        using (var file = File.Create(Path.Combine(folder, TokenizerJson.FileName)))
            file.Write(_document().Span);
        var path = Path.Combine(Folder, TokenizerSettings.FileName);
        var config = File.Exists(path) ? HfConfigReader.ReadFile(path) : [];
        // What the pipeline holds already, and what belongs to another class.
        foreach (
            var key in new[]
            {
                "add_bos_token",
                "add_eos_token",
                "legacy",
                "sp_model_kwargs",
                "do_lower_case",
                "strip_accents",
                "tokenize_chinese_chars",
                "extra_ids",
                "vocab_file",
                "merges_file",
                "special_tokens_map_file",
                "added_tokens_decoder",
            }
        )
            config.Remove(key);
        config["tokenizer_class"] = "PreTrainedTokenizerFast";
        config["add_prefix_space"] = AddsPrefixSpace();
        config["clean_up_tokenization_spaces"] = _pipeline.CleanUpText;
        var map = new JsonObject();
        foreach (var (role, id) in _roles)
            (config[role], map[role]) = (_pipeline.Token(id), _pipeline.Token(id));
        File.WriteAllText(Path.Combine(folder, TokenizerSettings.MapName), map.ToJsonString(s_writing) + "\n");
        File.WriteAllText(Path.Combine(folder, TokenizerSettings.FileName), config.ToJsonString(s_writing) + "\n");
        if (File.Exists(Path.Combine(Folder, "chat_template.jinja")))
            File.Copy(Path.Combine(Folder, "chat_template.jinja"), Path.Combine(folder, "chat_template.jinja"), overwrite: true);
    }

    /// <summary>The <c>tokenizer.json</c> that this tokenizer is, or amounts to.</summary>
    internal ReadOnlyMemory<byte> Document() => _document();

    private static TextTokenizer Create(string source, TokenizerVocabulary vocabulary, TokenizerSettings settings)
    {
        var path = Path.Combine(source, TokenizerJson.FileName);
        ReadOnlyMemory<byte> Document() => VocabularyDocument.Write(vocabulary);
        // The settings have gone into the vocabulary but for these.
        var pipeline = TokenizerJson.Read(
            path,
            Document(),
            new TokenizerSettings
            {
                CleanUpText = settings.CleanUpText,
                SplitSpecialTokens = settings.SplitSpecialTokens,
                SpecialTokens = settings.SpecialTokens,
            }
        );
        if (pipeline.Segmenter is UnigramSegmenter unigrams)
            pipeline = AsSentencePiece(pipeline, unigrams, vocabulary);
        return new TextTokenizer(source, pipeline, vocabulary.Roles.Select(role => (role.Key, role.Value)), Document);
    }

    /// <summary>
    /// SentencePiece's own normalising and rounding, where the vocabulary is its file. <c>tokenizer.json</c> cannot say them: HF's
    /// tokenizers makes other ids of some texts (long runs of a sign, marks behind a character that the map changes).
    /// </summary>
    private static TokenizerPipeline AsSentencePiece(
        TokenizerPipeline pipeline,
        UnigramSegmenter unigrams,
        TokenizerVocabulary vocabulary
    ) =>
        pipeline with
        {
            Added = new AddedVocabulary(
                [.. pipeline.Added.Tokens.Values],
                new SentencePieceNormalizer(
                    vocabulary.CharacterMap.IsEmpty ? null : new PrecompiledNormalizer(vocabulary.CharacterMap.Span)
                )
            ),
            PreTokenizer = new MetaspacePreTokenizer("\u2581", PrependScheme.Always, split: false),
            Segmenter = unigrams.AsSentencePiece(
                pipeline.Added.Tokens.Values.Where(token => token.Special).Select(token => token.Id).ToHashSet()
            ),
        };

    private int[] Encode(string text, bool splitSpecial)
    {
        try
        {
            return _pipeline.Encode(text, splitSpecial);
        }
        catch (Exception e) when (TokenizerFiles.IsDefect(e))
        {
            throw TokenizerFiles.Corrupt(Folder, $"a text cannot be encoded with it ({e.Message})", e);
        }
    }

    private bool AddsPrefixSpace()
    {
        using var document = JsonDocument.Parse(_document());
        var step = document.RootElement.GetProperty("pre_tokenizer");
        return step.ValueKind == JsonValueKind.Object
            && step.TryGetProperty("add_prefix_space", out var space)
            && space.ValueKind == JsonValueKind.True;
    }

    private static int? EosOfModel(string folder)
    {
        var path = Path.Combine(folder, "config.json");
        return File.Exists(path) ? new HfConfigReader(HfConfigReader.ReadFile(path), path).FirstInt("eos_token_id") : null;
    }
}
