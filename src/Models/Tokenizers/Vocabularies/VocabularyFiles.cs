using System.Text;
using System.Text.Json;
using DfPO.Models.Tokenizers.SentencePiece;

namespace DfPO.Models.Tokenizers;

/// <summary>Reads the vocabulary files of folders that have no <c>tokenizer.json</c>.</summary>
internal static class VocabularyFiles
{
    public const string Words = "vocab.json";
    public const string Merges = "merges.txt";
    public const string WordPieces = "vocab.txt";
    public const string Unigrams = "spiece.model";
    public const string Pieces = "tokenizer.model";
    public const string Llama2c = "tokens.json";
    public const string Added = "added_tokens.json";

    private static readonly (string File, string[] Classes, Func<string, TokenizerSettings, TokenizerVocabulary> Read)[] s_kinds =
    [
        (Unigrams, ["", "T5Tokenizer"], SentencePieceFile.ReadT5),
        (Pieces, ["", "LlamaTokenizer"], SentencePieceFile.ReadLlama),
        (Llama2c, ["", "LlamaTokenizer"], SentencePieceFile.ReadLlama2c),
        (WordPieces, ["", "BertTokenizer", "DistilBertTokenizer"], ReadBert),
        (Words, ["", "GPT2Tokenizer", "RobertaTokenizer", "Qwen2Tokenizer"], ReadByteLevel),
        (Merges, [], ReadByteLevel),
    ];

    /// <summary>Names of all of them.</summary>
    public static IEnumerable<string> Names => s_kinds.Select(kind => kind.File).Append(Added);

    /// <summary>A folder's vocabulary, without what <c>added_tokens.json</c> adds; null when it has no such file.</summary>
    /// <exception cref="DfpoException"><c>tokenizer/missing</c>, <c>tokenizer/corrupt</c>, or <c>tokenizer/unsupported</c>: a class whose
    /// files are not known.</exception>
    public static TokenizerVocabulary? Read(string folder, TokenizerSettings settings)
    {
        foreach (var (file, classes, read) in s_kinds)
        {
            if (!File.Exists(Path.Combine(folder, file)))
                continue;
            // A model's type says nothing of a vocabulary that its own class never has, such as our T5 models' byte-level BPE.
            if (settings.IsClassImplied && !classes.Contains(settings.Class))
                settings = settings.As("");
            if (classes.Length > 0 && !classes.Contains(settings.Class))
                throw new DfpoException(
                    "tokenizer/unsupported",
                    $"'{folder}' holds '{file}' for class {settings.Class}, which is read from a {TokenizerJson.FileName} alone: put that file there (transformers writes it with save_pretrained)."
                );
            return WithAdded(folder, read(folder, settings), settings);
        }
        return null;
    }

    /// <summary>
    /// The vocabulary with what <c>added_tokens_decoder</c> and <c>added_tokens.json</c> have, and the ids of the tokens with a role.
    /// </summary>
    private static TokenizerVocabulary WithAdded(string folder, TokenizerVocabulary vocabulary, TokenizerSettings settings)
    {
        var path = Path.Combine(folder, Added);
        var tokens = vocabulary.Tokens.ToList();
        var added = vocabulary.Added.ToDictionary(token => token.Id);
        var more = settings.AddedTokens.Select(token => (Token: token, File: Path.Combine(folder, TokenizerSettings.FileName))).ToList();
        if (File.Exists(path))
            more.AddRange(
                ReadIds(path)
                    .Select(token =>
                        (
                            new AddedToken(token.Value, token.Key)
                            {
                                Special = settings.SpecialTokens.Any(special => special.Content == token.Key),
                            },
                            path
                        )
                    )
            );
        foreach (var (token, file) in more.OrderBy(token => token.Token.Id))
        {
            if (token.Id < 0 || (token.Id < tokens.Count ? tokens[token.Id] != token.Content : token.Id > tokens.Count))
                throw TokenizerFiles.Corrupt(
                    file,
                    $"the token '{token.Content}' has the id {token.Id}, but the vocabulary ends at {vocabulary.Tokens.Count} and ids must follow it without a gap"
                );
            if (token.Id == tokens.Count)
                tokens.Add(token.Content);
            added.TryAdd(token.Id, token);
        }
        var scores =
            vocabulary.Scores.Count == 0
                ? vocabulary.Scores
                : [.. vocabulary.Scores, .. Enumerable.Repeat(0.0, tokens.Count - vocabulary.Scores.Count)];
        var roles = new Dictionary<string, int>(vocabulary.Roles);
        foreach (var role in TokenizerSettings.Names)
            if (settings.Named(role) is { } text && tokens.IndexOf(text) is >= 0 and var id)
                roles[role] = id;
        return vocabulary with { Tokens = tokens, Added = [.. added.Values], Scores = scores, Roles = roles };
    }

    private static TokenizerVocabulary ReadByteLevel(string folder, TokenizerSettings settings)
    {
        string words = Path.Combine(folder, Words),
            merges = Path.Combine(folder, Merges);
        foreach (var file in new[] { words, merges })
            if (!File.Exists(file))
                throw new DfpoException(
                    "tokenizer/missing",
                    $"'{file}' does not exist: a byte-level BPE tokenizer is the two files {Words} and {Merges} beside config.json, or a {TokenizerJson.FileName} alone."
                );
        var tokens = InOrder(words, ReadIds(words));
        var known = tokens.ToHashSet();
        var pairs = new List<(string, string)>();
        foreach (var (number, line) in TokenizerFiles.ReadText(merges).Split('\n').Index())
        {
            var text = line.TrimEnd('\r');
            if (text.Length == 0 || (number == 0 && text.StartsWith("#version", StringComparison.Ordinal)))
                continue;
            if (text.Split(' ') is not [var left, var right])
                throw TokenizerFiles.Corrupt(merges, $"line {number + 1} is not two tokens with a blank between them");
            if (!known.Contains(left) || !known.Contains(right) || !known.Contains(left + right))
                throw TokenizerFiles.Corrupt(
                    merges,
                    $"line {number + 1} merges '{left}' and '{right}', which with '{left + right}' are not all in {Words}: the two files must belong together"
                );
            pairs.Add((left, right));
        }
        int? Role(string role) => settings.Named(role) is { } text && tokens.IndexOf(text) is >= 0 and var id ? id : null;
        if (settings.Class == "" && tokens[^1] != "<|endoftext|>")
            throw new DfpoException(
                "tokenizer/unsupported",
                $"'{words}' does not end with the token <|endoftext|>, as GPT-2's does, and nothing says whose vocabulary it is: put a {TokenizerSettings.FileName} with the field 'tokenizer_class' there, or a {TokenizerJson.FileName}."
            );
        var roberta = settings.Class == "RobertaTokenizer";
        if (settings.AddEos == true && !roberta)
            throw settings.Refused(
                "add_eos_token",
                $"is true, which class {settings.Class} does not follow: leave it out, or put a {TokenizerJson.FileName} there"
            );
        var bos = Role("bos_token");
        return new TokenizerVocabulary
        {
            Kind = VocabularyKind.ByteLevelBpe,
            Tokens = tokens,
            Merges = pairs,
            Added = Special(tokens, settings, "<|endoftext|>"),
            Split = settings.Class == "Qwen2Tokenizer" ? "qwen2" : "gpt-2",
            AddPrefixSpace = settings.AddPrefixSpace ?? false,
            Before =
                roberta ? [Required(words, tokens, settings, "cls_token")]
                : settings.Class != "Qwen2Tokenizer" && settings.AddBos == true && bos is { } first ? [first]
                : [],
            Behind = roberta ? [Required(words, tokens, settings, "sep_token")] : [],
            Roles = tokens.IndexOf("<|endoftext|>") is >= 0 and var end ? new Dictionary<string, int> { ["eos_token"] = end } : [],
        };
    }

    private static TokenizerVocabulary ReadBert(string folder, TokenizerSettings settings)
    {
        var path = Path.Combine(folder, WordPieces);
        string[] tokens = TokenizerFiles.ReadText(path).ReplaceLineEndings("\n").TrimEnd('\n').Split('\n');
        settings = settings.Class.Length > 0 ? settings : settings.As("BertTokenizer");
        return new TokenizerVocabulary
        {
            Kind = VocabularyKind.WordPiece,
            Tokens = tokens,
            Added = Special(tokens, settings),
            Lowercase = settings.Lowercase ?? true,
            StripAccents = settings.StripAccents,
            IsolateChinese = settings.IsolateChinese ?? true,
            UnknownId = Required(path, tokens, settings, "unk_token"),
            Before = [Required(path, tokens, settings, "cls_token")],
            Behind = [Required(path, tokens, settings, "sep_token")],
            Roles = TokenizerSettings
                .Names.Where(role => settings.Named(role) is { } text && tokens.Contains(text))
                .ToDictionary(role => role, role => tokens.IndexOf(settings.Named(role)!)),
        };
    }

    /// <summary>The tokens that settings or class name by a role, as added tokens.</summary>
    internal static List<AddedToken> Special(IReadOnlyList<string> tokens, TokenizerSettings settings, params string[] more)
    {
        var added = new List<AddedToken>();
        var ids = new Dictionary<string, int>(tokens.Count);
        foreach (var (id, token) in tokens.Index())
            ids.TryAdd(token, id);
        foreach (var text in TokenizerSettings.Names.Select(settings.Named).OfType<string>().Concat(more).Distinct())
            if (ids.TryGetValue(text, out var id))
                // RoBERTa's mask takes the space before it; the others of these classes stand as they are.
                added.Add(
                    settings.AddedTokens.FirstOrDefault(token => token.Content == text)
                        ?? (settings.SpecialTokens.FirstOrDefault(token => token.Content == text) ?? new AddedToken(id, text)) with
                        {
                            Id = id,
                            Special = true,
                            Normalized = false,
                            LeftStrip = text == "<mask>" && settings.Class == "RobertaTokenizer",
                        }
                );
        return added;
    }

    internal static int Required(string path, IReadOnlyList<string> tokens, TokenizerSettings settings, string role) =>
        settings.Named(role) is { } text && tokens.IndexOf(text) is >= 0 and var id
            ? id
            : throw TokenizerFiles.Corrupt(path, $"it has no token {settings.Named(role)} ({role})");

    private static Dictionary<string, int> ReadIds(string path)
    {
        try
        {
            return JsonSerializer.Deserialize<Dictionary<string, int>>(TokenizerFiles.Read(path), TokenizerFiles.Strict) ?? [];
        }
        catch (JsonException e)
        {
            throw TokenizerFiles.Corrupt(path, $"it is not an object of tokens and ids ({e.Message})", e);
        }
    }

    private static string[] InOrder(string path, Dictionary<string, int> ids)
    {
        var tokens = new string[ids.Count];
        foreach (var (token, id) in ids)
        {
            if (id < 0 || id >= tokens.Length || tokens[id] is not null)
                throw TokenizerFiles.Corrupt(path, $"the ids must be 0 to {ids.Count - 1}, each once");
            tokens[id] = token;
        }
        return tokens;
    }

    internal static int IndexOf(this IReadOnlyList<string> tokens, string token)
    {
        for (var id = 0; id < tokens.Count; id++)
            if (tokens[id] == token)
                return id;
        return -1;
    }
}
