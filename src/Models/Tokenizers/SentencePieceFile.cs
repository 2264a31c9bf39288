using System.Text.Json;
using DfPO.Models.Tokenizers.Normalizers;
using DfPO.Models.Tokenizers.SentencePiece;
using Google.Protobuf;
using PieceType = DfPO.Models.Tokenizers.SentencePiece.ModelProto.Types.SentencePiece.Types.Type;

namespace DfPO.Models.Tokenizers;

/// <summary>Reads SentencePiece's model files.</summary>
internal static class SentencePieceFile
{
    private const int ByteCount = 256;

    /// <summary>T5's unigrams, and behind them its sentinels, the first one last.</summary>
    /// <exception cref="DfpoException"><c>tokenizer/corrupt</c>.</exception>
    public static TokenizerVocabulary ReadT5(string folder, TokenizerSettings settings)
    {
        var path = Path.Combine(folder, VocabularyFiles.Unigrams);
        var model = Read(path, TrainerSpec.Types.ModelType.Unigram);
        var sentinels = settings.ExtraIds ?? 100;
        if (sentinels is < 0 or > 1_000_000)
            throw TokenizerFiles.Corrupt(folder, $"extra_ids is {sentinels}");
        var extra = Enumerable.Range(1, sentinels).Select(number => $"<extra_id_{sentinels - number}>").ToArray();
        var tokens = model.Pieces.Select(piece => piece.Piece).Concat(extra).ToArray();
        RequireIn(path, model, "pad_id", model.TrainerSpec.PadId);
        return Vocabulary(path, model, tokens, settings, "T5Tokenizer") with
        {
            Kind = VocabularyKind.Unigram,
            Added =
            [
                .. Added(model, tokens, settings),
                .. extra.Select((text, index) => new AddedToken(model.Pieces.Count + index, text) { Special = true }),
            ],
            CharacterMap = Map(path, model),
            Behind = [model.TrainerSpec.EosId],
        };
    }

    /// <summary>Llama's BPE with byte tokens.</summary>
    /// <exception cref="DfpoException"><c>tokenizer/corrupt</c>.</exception>
    public static TokenizerVocabulary ReadLlama(string folder, TokenizerSettings settings)
    {
        var path = Path.Combine(folder, VocabularyFiles.Pieces);
        var model = Read(path, TrainerSpec.Types.ModelType.Bpe);
        if (!Map(path, model).IsEmpty)
            throw new DfpoException(
                "tokenizer/unsupported",
                $"'{path}': its normalizer_spec.precompiled_charsmap is a map of characters, but Llama's has none: put the {TokenizerJson.FileName} of the checkpoint beside it."
            );
        return Llama(path, model, settings);
    }

    /// <summary>
    /// The vocabulary that llama2.c writes out: unknown, begin and end come first, then the 256 bytes, then pieces with a score that falls
    /// with their rank.
    /// </summary>
    /// <exception cref="DfpoException"><c>tokenizer/corrupt</c>.</exception>
    public static TokenizerVocabulary ReadLlama2c(string folder, TokenizerSettings settings)
    {
        var path = Path.Combine(folder, VocabularyFiles.Llama2c);
        var model = new ModelProto
        {
            TrainerSpec = new TrainerSpec
            {
                ModelType = TrainerSpec.Types.ModelType.Bpe,
                ByteFallback = true,
                UnkId = 0,
                BosId = 1,
                EosId = 2,
                PadId = -1,
            },
            NormalizerSpec = new NormalizerSpec(),
        };
        string[] special = ["<unk>", "<s>", "</s>"];
        try
        {
            using var document = JsonDocument.Parse(TokenizerFiles.Read(path));
            foreach (var (id, token) in document.RootElement.EnumerateArray().Index())
                model.Pieces.Add(
                    new ModelProto.Types.SentencePiece
                    {
                        Piece = id < special.Length ? special[id] : token[0].GetString()!.Replace(' ', '\u2581'),
                        Score = token[1].GetSingle(),
                        Type =
                            id == 0 ? PieceType.Unknown
                            : id < special.Length ? PieceType.Control
                            : id < special.Length + ByteCount ? PieceType.Byte
                            : PieceType.Normal,
                    }
                );
        }
        catch (Exception e)
            when (e is JsonException or InvalidOperationException or IndexOutOfRangeException or FormatException or NullReferenceException)
        {
            throw TokenizerFiles.Corrupt(path, $"it is not a list of pieces and scores ({e.Message})", e);
        }
        if (model.Pieces.Count <= special.Length + ByteCount)
            throw TokenizerFiles.Corrupt(path, $"it has {model.Pieces.Count} pieces and needs more than {special.Length + ByteCount}");
        Check(path, model, TrainerSpec.Types.ModelType.Bpe);
        return Llama(path, model, settings);
    }

    private static TokenizerVocabulary Llama(string path, ModelProto model, TokenizerSettings settings)
    {
        string[] tokens = [.. model.Pieces.Select(piece => piece.Piece)];
        RequireIn(path, model, "bos_id", model.TrainerSpec.BosId);
        var vocabulary = Vocabulary(path, model, tokens, settings, "LlamaTokenizer");
        return vocabulary with
        {
            Added = Added(model, tokens, settings),
            AddPrefixSpace = settings.AddPrefixSpace ?? true,
            Legacy = settings.Legacy ?? true,
            Before = settings.AddBos ?? true ? [vocabulary.Roles["bos_token"]] : [],
            Behind = settings.AddEos ?? false ? [vocabulary.Roles["eos_token"]] : [],
        };
    }

    private static TokenizerVocabulary Vocabulary(string path, ModelProto model, string[] tokens, TokenizerSettings settings, string kind)
    {
        if (tokens.GroupBy(token => token).FirstOrDefault(group => group.Count() > 1) is { Key: var twice })
            throw TokenizerFiles.Corrupt(path, $"piece '{twice}' stands there twice");
        settings = settings.Class.Length > 0 ? settings : settings.As(kind);
        var roles = new Dictionary<string, int>();
        foreach (
            var (role, id) in new[]
            {
                ("bos_token", model.TrainerSpec.BosId),
                ("eos_token", model.TrainerSpec.EosId),
                ("unk_token", model.TrainerSpec.UnkId),
                ("pad_token", model.TrainerSpec.PadId),
            }
        )
            if (settings.Named(role) is { } text && tokens.IndexOf(text) is >= 0 and var named)
                roles[role] = named;
            else if (id >= 0 && id < model.Pieces.Count)
                roles[role] = id;
        return new TokenizerVocabulary
        {
            Kind = VocabularyKind.SentencePieceBpe,
            Tokens = tokens,
            Scores = [.. model.Pieces.Select(piece => (double)piece.Score), .. Enumerable.Repeat(0.0, tokens.Length - model.Pieces.Count)],
            UnknownId = model.TrainerSpec.UnkId,
            Roles = roles,
        };
    }

    /// <summary>Control pieces and what the user has defined, which no text is cut into.</summary>
    private static AddedToken[] Added(ModelProto model, string[] tokens, TokenizerSettings settings) =>
        [
            .. model
                .Pieces.Index()
                .Where(piece => piece.Item.Type is PieceType.Control or PieceType.UserDefined or PieceType.Unknown)
                .Select(piece => new AddedToken(piece.Index, tokens[piece.Index])
                {
                    Special =
                        piece.Item.Type != PieceType.UserDefined || settings.SpecialTokens.Any(token => token.Content == piece.Item.Piece),
                }),
        ];

    private static ReadOnlyMemory<byte> Map(string path, ModelProto model)
    {
        var map = model.NormalizerSpec.PrecompiledCharsmap.Memory;
        try
        {
            if (!map.IsEmpty)
                _ = new PrecompiledNormalizer(map.Span);
        }
        catch (FormatException e)
        {
            throw TokenizerFiles.Corrupt(path, $"its precompiled_charsmap does not make a normaliser ({e.Message})", e);
        }
        return map;
    }

    private static ModelProto Read(string path, TrainerSpec.Types.ModelType kind)
    {
        ModelProto model;
        try
        {
            model = ModelProto.Parser.ParseFrom(TokenizerFiles.Read(path));
        }
        catch (InvalidProtocolBufferException e)
        {
            throw TokenizerFiles.Corrupt(path, $"it is not a SentencePiece model ({e.Message})", e);
        }
        Check(path, model, kind);
        return model;
    }

    private static void Check(string path, ModelProto model, TrainerSpec.Types.ModelType kind)
    {
        if (model.TrainerSpec is null || model.NormalizerSpec is null || model.Pieces.Count == 0)
            throw TokenizerFiles.Corrupt(path, "it has no pieces, or does not say how they were trained");
        if (model.TrainerSpec.ModelType != kind)
            throw TokenizerFiles.Corrupt(path, $"it is a {model.TrainerSpec.ModelType} model where a {kind} model belongs");
        if (model.Pieces.FirstOrDefault(piece => string.IsNullOrEmpty(piece.Piece) || !float.IsFinite(piece.Score)) is { } bad)
            throw TokenizerFiles.Corrupt(path, $"piece '{bad.Piece}' has score {bad.Score}, or no text");
        RequireIn(path, model, "unk_id", model.TrainerSpec.UnkId);
        RequireIn(path, model, "eos_id", model.TrainerSpec.EosId);
    }

    private static void RequireIn(string path, ModelProto model, string field, int id)
    {
        if (id < 0 || id >= model.Pieces.Count)
            throw TokenizerFiles.Corrupt(path, $"its {field} is {id}, which is none of its {model.Pieces.Count} pieces");
    }
}
