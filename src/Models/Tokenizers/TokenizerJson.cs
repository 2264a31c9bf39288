using System.Text.Json;
using System.Text.RegularExpressions;
using DfPO.Models.Tokenizers.SentencePiece;
using Google.Protobuf;
using PieceType = DfPO.Models.Tokenizers.SentencePiece.ModelProto.Types.SentencePiece.Types.Type;

namespace DfPO.Models.Tokenizers;

/// <summary>Tokenizers from HF's <c>tokenizer.json</c>, for checkpoints that have no other file of one: byte-level BPE, WordPiece and T5's unigrams.</summary>
/// <remarks>
/// The file's vocabulary and rules go to the tokenizers of the other files. A rule that leads to other ids and is not known here is refused by its field.
/// Not read are what belongs to a call (<c>truncation</c>, <c>padding</c>) and <c>decoder</c>.
/// </remarks>
internal static partial class TokenizerJson
{
    public const string FileName = "tokenizer.json";

    /// <exception cref="DfpoException"><c>tokenizer/missing</c>, <c>tokenizer/corrupt</c>, or <c>tokenizer/unsupported</c> with file and field.</exception>
    public static TextTokenizer Load(string folder)
    {
        var path = Path.Combine(folder, FileName);
        try
        {
            using var document = JsonDocument.Parse(TokenizerFiles.Read(path), new JsonDocumentOptions { AllowDuplicateProperties = false });
            var file = new JsonField(path, "", document.RootElement);
            return TypeOf(file["model"]) switch
            {
                "BPE" => BytePairs(folder, file),
                "WordPiece" => WordPieces(folder, file),
                "Unigram" => Unigrams(folder, file),
                _ => throw file["model"]["type"].Refused("BPE, WordPiece or Unigram"),
            };
        }
        catch (Exception e) when (TokenizerFiles.IsDefect(e))
        {
            throw TokenizerFiles.Corrupt(path, $"it does not make a tokenizer ({e.Message})", e);
        }
    }

    /// <summary>Files of before 2021 do not say.</summary>
    private static string TypeOf(JsonField model) => model.Kind.Length > 0 ? model.Kind
        : !model["merges"].IsAbsent ? "BPE"
        : !model["continuing_subword_prefix"].IsAbsent ? "WordPiece"
        : !model["unk_id"].IsAbsent ? "Unigram"
        : "";

    private static TextTokenizer BytePairs(string folder, JsonField file)
    {
        var model = file["model"];
        foreach (var field in new[] { "dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback" })
            model[field].Require(model[field].IsAbsent || model[field].Value.ValueKind == JsonValueKind.False || model[field].Value.ToString() is "" or "0" or "0.0", "absent or off");
        file["normalizer"].Require(file["normalizer"].Steps("normalizers").Count == 0, "absent");
        var pieces = Pieces(file["pre_tokenizer"]);
        var vocabulary = model["vocab"].Fields().ToDictionary(token => token.Name, token => token.Field.Integer());
        var merges = model["merges"].Items().Select(pair => pair.Value.ValueKind == JsonValueKind.String ? pair.Text() : string.Join(' ', pair.Items().Select(half => half.Text())));
        var ids = WithAdded(file, vocabulary);
        var bpe = ByteLevelBpe.Create(file.File, vocabulary, merges, ids, pieces, model["ignore_merges"].Flag(false));
        if (bpe.MissingByte() is { } missing)
            throw model["vocab"].Refused($"complete: it has no token for the byte {missing}");
        var (prefix, suffix) = Around(file["post_processor"]);
        if (RobertaTokenizer.SpecialTokens.All(ids.ContainsKey) && prefix.SequenceEqual([ids["<s>"]]) && suffix.SequenceEqual([ids["</s>"]]))
            return new RobertaTokenizer(folder, bpe);
        return prefix.Length + suffix.Length == 0 && ids.ContainsKey(Gpt2Tokenizer.EndOfText)
            ? new Gpt2Tokenizer(folder, bpe)
            : new BytePairTokenizer(folder, bpe, prefix, suffix, [.. ids.Where(token => !vocabulary.ContainsKey(token.Key)).Select(token => token.Value)]);
    }

    /// <summary>How a text is cut before its bytes are merged; null for GPT-2's way.</summary>
    private static Regex? Pieces(JsonField field)
    {
        var steps = field.Steps("pretokenizers");
        field.Require(steps is [{ Kind: "ByteLevel" }] or [{ Kind: "Split" }, { Kind: "ByteLevel" }], "ByteLevel, or a Split followed by it");
        var bytes = steps[^1];
        bytes["add_prefix_space"].Require(!bytes["add_prefix_space"].Flag(true), "false");
        bytes["use_regex"].Require(bytes["use_regex"].Flag(true) == (steps.Count == 1), "false behind a Split and nowhere else");
        if (steps.Count == 1)
            return null;
        var (split, pattern) = (steps[0], steps[0]["pattern"]["Regex"]);
        split["behavior"].Require(split["behavior"].Text() == "Isolated", "Isolated");
        split["invert"].Require(!split["invert"].Flag(false), "false");
        pattern.Require(pattern.Text().Length > 0 && Portable().IsMatch(pattern.Text()), "a pattern of characters, classes, \\p{..}, \\s, groups and greedy quantifiers, which mean the same to every engine");
        try
        {
            return new Regex(pattern.Text(), RegexOptions.CultureInvariant);
        }
        catch (RegexParseException)
        {
            throw pattern.Refused("a pattern that .NET understands");
        }
    }

    private static BertTokenizer WordPieces(string folder, JsonField file)
    {
        var model = file["model"];
        model["unk_token"].Require(model["unk_token"].Text() == BertTokenizer.Unknown, BertTokenizer.Unknown);
        model["continuing_subword_prefix"].Require(model["continuing_subword_prefix"].Text() == "##", "##");
        model["max_input_chars_per_word"].Require(model["max_input_chars_per_word"].Integer() == BertTokenizer.LongestWord, $"{BertTokenizer.LongestWord}");
        file["normalizer"].Require(file["normalizer"].Steps("normalizers") is [{ Kind: "BertNormalizer" }], "a BertNormalizer");
        file["pre_tokenizer"].Require(file["pre_tokenizer"].Steps("pretokenizers") is [{ Kind: "BertPreTokenizer" }], "a BertPreTokenizer");
        var rules = file["normalizer"].Steps("normalizers")[0];
        rules["clean_text"].Require(rules["clean_text"].Flag(true), "true");
        var ids = WithAdded(file, model["vocab"].Fields().ToDictionary(token => token.Name, token => token.Field.Integer()));
        var lower = rules["lowercase"].Flag(true);
        var bert = BertTokenizer.Create(folder, file.File, [.. ids.OrderBy(token => token.Value).Select(token => token.Key)], lower, rules["strip_accents"].Flag(lower), rules["handle_chinese_chars"].Flag(true));
        RequireAround(file, ids, ["[CLS]"], ["[SEP]"]);
        return bert;
    }

    private static T5Tokenizer Unigrams(string folder, JsonField file)
    {
        var model = file["model"];
        model["byte_fallback"].Require(!model["byte_fallback"].Flag(false), "false");
        var normalizer = file["normalizer"].Steps("normalizers");
        var cut = file["pre_tokenizer"].Steps("pretokenizers");
        file["pre_tokenizer"].Require(cut is [{ Kind: "Metaspace" }] or [{ Kind: "WhitespaceSplit" }, { Kind: "Metaspace" }], "Metaspace, or a WhitespaceSplit followed by it");
        var space = cut[^1];
        space["replacement"].Require(space["replacement"].Text() == "\u2581", "\u2581");
        space["add_prefix_space"].Require(space["add_prefix_space"].Flag(true), "true");
        space["prepend_scheme"].Require(space["prepend_scheme"].Text() is "" or "always", "always");
        // Both leave single blanks between words and none at the end.
        file["normalizer"].Require(
            cut.Count == 2 ? normalizer is [] or [{ Kind: "Precompiled" }] : normalizer.SkipWhile(step => step.Kind == "Precompiled").ToArray() is [{ Kind: "Strip" }, { Kind: "Replace" }] && normalizer.Count <= 3,
            "Precompiled alone before a WhitespaceSplit, or else followed by Strip and Replace");
        foreach (var step in normalizer.Where(step => step.Kind is "Strip" or "Replace"))
            step.Require(step.Kind == "Strip" ? step["strip_right"].Flag(false) : step["pattern"]["Regex"].Text() == " {2,}" && step["content"].Text() is " " or "\u2581", "what leaves single blanks between words and none at the end");

        var proto = new ModelProto
        {
            TrainerSpec = new TrainerSpec { ModelType = TrainerSpec.Types.ModelType.Unigram, UnkId = model["unk_id"].Integer(), BosId = -1 },
            NormalizerSpec = new NormalizerSpec { Name = "identity", AddDummyPrefix = true, RemoveExtraWhitespaces = true, EscapeWhitespaces = true },
        };
        if (normalizer.FirstOrDefault(step => step.Kind == "Precompiled") is { Name: not null } precompiled)
        {
            var map = Convert.FromBase64String(precompiled["precompiled_charsmap"].Text());
            (proto.NormalizerSpec.PrecompiledCharsmap, proto.NormalizerSpec.Name) = (ByteString.CopyFrom(map), SentencePieceFile.Drops(map, 0x01) ? "nmt_nfkc" : "nfkc");
        }
        var scores = model["vocab"].Items().Select(entry => entry.Items() is [var text, var score] ? (Text: text.Text(), Score: score.Number()) : throw entry.Refused("a piece and its score")).ToArray();
        var ids = WithAdded(file, scores.Index().ToDictionary(piece => piece.Item.Text, piece => piece.Index));
        var extra = ids.Keys.Count(T5Tokenizer.IsSentinel);
        foreach (var (text, score) in scores.Take(ids.Count - extra))
            proto.Pieces.Add(new ModelProto.Types.SentencePiece { Piece = text, Score = score, Type = text is "<pad>" or "</s>" ? PieceType.Control : PieceType.Normal });
        if (Enumerable.Range(0, extra).Any(number => ids.GetValueOrDefault($"<extra_id_{number}>", -1) != ids.Count - 1 - number) || proto.Pieces.Count != ids.Count - extra)
            throw model["vocab"].Refused("pieces, and behind them the sentinels from the last to <extra_id_0>");
        (proto.TrainerSpec.EosId, proto.TrainerSpec.PadId) = (ids.GetValueOrDefault("</s>", -1), ids.GetValueOrDefault("<pad>", -1));
        SentencePieceFile.Check(file.File, proto, TrainerSpec.Types.ModelType.Unigram);
        proto.Pieces[proto.TrainerSpec.UnkId].Type = PieceType.Unknown;
        RequireAround(file, ids, [], ["</s>"]);
        return T5Tokenizer.Create(folder, file.File, proto, extra);
    }

    /// <summary>Ids of the model's tokens and of those added to them, checked to be 0, 1, ...</summary>
    private static Dictionary<string, int> WithAdded(JsonField file, Dictionary<string, int> vocabulary)
    {
        var ids = new Dictionary<string, int>(vocabulary);
        foreach (var token in file["added_tokens"].Items())
        {
            // Special ones are never read from text; others would be.
            token["special"].Require(token["special"].Flag(false), "true");
            if (!ids.TryAdd(token["content"].Text(), token["id"].Integer()))
                token["id"].Require(ids[token["content"].Text()] == token["id"].Integer(), $"{ids[token["content"].Text()]}, as in the vocabulary");
        }
        return ids.Values.Order().SequenceEqual(Enumerable.Range(0, ids.Count)) ? ids : throw TokenizerFiles.Corrupt(file.File, $"the ids in model.vocab and added_tokens must be 0 to {ids.Count - 1}, each once");
    }

    private static void RequireAround(JsonField file, Dictionary<string, int> ids, string[] before, string[] behind)
    {
        var (prefix, suffix) = Around(file["post_processor"]);
        file["post_processor"].Require(prefix.SequenceEqual(before.Select(token => ids[token])) && suffix.SequenceEqual(behind.Select(token => ids[token])), $"what makes an input '{string.Join(' ', [.. before, "text", .. behind])}'");
    }

    /// <summary>Special ids that an input begins and ends with.</summary>
    private static (int[] Prefix, int[] Suffix) Around(JsonField field)
    {
        List<int> prefix = [], suffix = [];
        foreach (var step in field.Steps("processors"))
        {
            switch (step.Kind)
            {
                case "ByteLevel":
                    break;
                case "BertProcessing" or "RobertaProcessing":
                    prefix.Insert(0, Second(step["cls"]));
                    suffix.Add(Second(step["sep"]));
                    break;
                case "TemplateProcessing":
                    var parts = step["single"].Items();
                    var text = parts.TakeWhile(part => part["Sequence"].IsAbsent).Count();
                    step["single"].Require(text < parts.Count && parts.Count(part => !part["Sequence"].IsAbsent) == 1, "a template of one text");
                    int[] Ids(IEnumerable<JsonField> tokens) => [.. tokens.SelectMany(token => step["special_tokens"][token["SpecialToken"]["id"].Text()]["ids"].Items()).Select(id => id.Integer())];
                    prefix.InsertRange(0, Ids(parts.Take(text)));
                    suffix.AddRange(Ids(parts.Skip(text + 1)));
                    break;
                default:
                    throw step["type"].Refused("ByteLevel, BertProcessing, RobertaProcessing or TemplateProcessing");
            }
        }
        return ([.. prefix], [.. suffix]);

        static int Second(JsonField pair) => pair.Items() is [_, var id] ? id.Integer() : throw pair.Refused("a token and its id");
    }

    // Oniguruma and .NET part ways at possessive quantifiers, nested and intersected classes, \w, \h and inline flags.
    [GeneratedRegex("""^(?:\\(?:[pP]\{(?:L[ulmto]?|N[dlo]?|M[nce]?|P[cdseifo]?|S[mcko]?|Z[slp]?)\}|[srntS\-/'.|()\[\]{}+*?^$\\])|\[\^?(?:\\(?:[pP]\{(?:L[ulmto]?|N[dlo]?|M[nce]?|P[cdseifo]?|S[mcko]?|Z[slp]?)\}|[srntS\-/'.|()\[\]{}+*?^$\\])|(?!&&)[^\\\[\]])+\]|\((?:\?(?:i?:|!|=))?|[^\\\[\]&(])*$""")]
    private static partial Regex Portable();
}
