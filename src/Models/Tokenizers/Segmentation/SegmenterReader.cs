namespace DfPO.Models.Tokenizers.Segmentation;

/// <summary>Reads <c>model</c> of <c>tokenizer.json</c>.</summary>
internal static class SegmenterReader
{
    /// <exception cref="DfpoException"><c>tokenizer/corrupt</c>, or <c>tokenizer/unsupported</c> with the field.</exception>
    public static ISegmenter Read(JsonField model) =>
        TypeOf(model) switch
        {
            "BPE" => BytePairs(model),
            "WordPiece" => WordPieces(model),
            "WordLevel" => WordLevel(model),
            "Unigram" => Unigrams(model),
            _ => throw model["type"].Refused("BPE, WordPiece, WordLevel or Unigram"),
        };

    /// <summary>Files of before 2021 do not say.</summary>
    private static string TypeOf(JsonField model) =>
        model.Kind.Length > 0 ? model.Kind
        : !model["merges"].IsAbsent ? "BPE"
        : !model["continuing_subword_prefix"].IsAbsent ? "WordPiece"
        : !model["unk_id"].IsAbsent ? "Unigram"
        : "";

    private static BytePairSegmenter BytePairs(JsonField model)
    {
        model.Only(
            "type",
            "dropout",
            "unk_token",
            "continuing_subword_prefix",
            "end_of_word_suffix",
            "fuse_unk",
            "byte_fallback",
            "ignore_merges",
            "vocab",
            "merges"
        );
        model["dropout"]
            .Require(model["dropout"].IsAbsent || model["dropout"].Number() == 0, "absent or 0: ids must not be left to chance");
        var vocabulary = Words(model["vocab"]);
        var options = new BytePairOptions(
            model["continuing_subword_prefix"].Text(),
            model["end_of_word_suffix"].Text(),
            model["fuse_unk"].Flag(false),
            model["byte_fallback"].Flag(false),
            model["ignore_merges"].Flag(false)
        );
        var merges = new Dictionary<long, (int, int)>();
        var rank = 0;
        foreach (var merge in model["merges"].Items())
        {
            var (left, right) = Halves(merge);
            // The right half's prefix marks that it stands inside a word, which the left one's does already.
            var whole = left + (right.Length >= options.Prefix.Length ? right[options.Prefix.Length..] : right);
            if (vocabulary.Id(left) is not { } first || vocabulary.Id(right) is not { } second || vocabulary.Id(whole) is not { } merged)
                throw TokenizerFiles.Corrupt(
                    model.File,
                    $"field '{merge.Name}' merges '{left}' and '{right}', which with '{whole}' are not all in model.vocab"
                );
            // Of equal ones the last counts, as in the original.
            merges[BytePairSegmenter.Pair(first, second)] = (rank++, merged);
        }
        var unknown = model["unk_token"].IsAbsent ? (int?)null : vocabulary.Id(model["unk_token"].Text());
        return new BytePairSegmenter(vocabulary, merges, options, unknown);
    }

    private static (string Left, string Right) Halves(JsonField merge)
    {
        string[] halves =
            merge.Value.ValueKind == System.Text.Json.JsonValueKind.String
                ? merge.Text().Split(' ')
                : [.. merge.Items().Select(half => half.Text())];
        return halves is [var left, var right]
            ? (left, right)
            : throw TokenizerFiles.Corrupt(merge.File, $"field '{merge.Name}' is no pair of tokens");
    }

    private static WordPieceSegmenter WordPieces(JsonField model)
    {
        model.Only("type", "unk_token", "continuing_subword_prefix", "max_input_chars_per_word", "vocab");
        var vocabulary = Words(model["vocab"]);
        return new WordPieceSegmenter(
            vocabulary,
            Unknown(model, vocabulary),
            model["continuing_subword_prefix"].IsAbsent ? "##" : model["continuing_subword_prefix"].Text(),
            model["max_input_chars_per_word"].IsAbsent ? 100 : model["max_input_chars_per_word"].Integer()
        );
    }

    private static WordLevelSegmenter WordLevel(JsonField model)
    {
        model.Only("type", "unk_token", "vocab");
        var vocabulary = Words(model["vocab"]);
        return new WordLevelSegmenter(vocabulary, Unknown(model, vocabulary));
    }

    private static UnigramSegmenter Unigrams(JsonField model)
    {
        model.Only("type", "unk_id", "byte_fallback", "vocab");
        var scores = new List<double>();
        var tokens = new List<(string, int)>();
        foreach (var entry in model["vocab"].Items())
        {
            if (entry.Items().ToArray() is not [var token, var score])
                throw entry.Refused("a token and its score");
            tokens.Add((token.Text(), scores.Count));
            scores.Add(score.Number());
        }
        var unknown = model["unk_id"].IsAbsent ? (int?)null : model["unk_id"].Integer();
        if (unknown < 0 || unknown >= scores.Count)
            throw TokenizerFiles.Corrupt(model.File, $"field 'model.unk_id' is {unknown}, which is none of its {scores.Count} tokens");
        return new UnigramSegmenter(Vocabulary.Create(model["vocab"], tokens), [.. scores], unknown, model["byte_fallback"].Flag(false));
    }

    private static int Unknown(JsonField model, Vocabulary vocabulary) =>
        vocabulary.Id(model["unk_token"].Text()) ?? throw model["unk_token"].Refused("a token of model.vocab");

    private static Vocabulary Words(JsonField field) =>
        Vocabulary.Create(field, field.Fields().Select(token => (token.Name, token.Field.Integer())));
}
