using System.Text;
using System.Text.Json.Nodes;
using DfPO.Models.Tokenizers;

namespace DfPO.Models.Tests.Tokenizers;

/// <summary>Tokenizers of folders that hold <c>tokenizer.json</c> alone.</summary>
/// <remarks>
/// HF's tokenizers (Tokenizers.DotNet 1.4.1) reads the files written here; Llama 3's vectors are its ids for one of them.
/// </remarks>
public sealed class TokenizerJsonTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Gpt2IsThatOfItsOtherFiles() =>
        CheckAlike(
            Load(TokenizerJsonFiles.Gpt2(TokenizerFolders.Folder("gpt2")), "{\"tokenizer_class\": \"GPT2TokenizerFast\"}"),
            TokenizerFolders.TheGpt2,
            "gpt2_bpe*.json"
        );

    [Fact]
    public void RobertaIsThatOfItsOtherFiles() =>
        CheckAlike(
            Load(
                TokenizerJsonFiles.Roberta(TokenizerFolders.Folder("roberta-base"), TokenizerFolders.Folder("gpt2")),
                "{\"tokenizer_class\": \"RobertaTokenizer\"}"
            ),
            TokenizerFolders.TheRoberta,
            "roberta_bpe*.json"
        );

    [Fact]
    public void BertIsThatOfItsOtherFiles()
    {
        var tokens = File.ReadLines(Path.Combine(TokenizerFolders.Folder("bert-base-uncased"), "vocab.txt"));
        CheckAlike(
            Load(TokenizerJsonFiles.Bert(tokens, lower: true), "{\"tokenizer_class\": \"BertTokenizer\"}"),
            TokenizerFolders.TheBert,
            "bert_wordpiece_uncased*.json"
        );
        CheckAlike(
            Load(TokenizerJsonFiles.Bert(tokens, lower: false), "{\"tokenizer_class\": \"BertTokenizer\", \"do_lower_case\": false}"),
            TokenizerFolders.TheBertCased,
            "bert_wordpiece_cased*.json"
        );
    }

    [Fact]
    public void BertsRulesAreHeeded()
    {
        var json = TokenizerJsonFiles.Bert(
            File.ReadLines(Path.Combine(TokenizerFolders.Folder("bert-base-uncased"), "vocab.txt")),
            lower: true
        );
        Set(json, "normalizer.strip_accents", "false");
        Set(json, "normalizer.handle_chinese_chars", "false");
        var bert = Load(json);

        Assert.Equal(7592, Assert.Single(bert.Encode("HELLO")));
        Assert.Equal(100, Assert.Single(bert.Encode("naïve")));
        Assert.NotEqual(TokenizerFolders.TheBert.Encode("東京"), bert.Encode("東京"));
    }

    [Fact]
    public void T5IsThatOfItsOtherFiles()
    {
        var t5 = Load(
            TokenizerJsonFiles.T5(File.ReadAllBytes(Path.Combine(TokenizerFolders.Folder("t5"), "spiece.model"))),
            "{\"tokenizer_class\": \"T5TokenizerFast\"}"
        );

        CheckT5(t5);
        Assert.Equal((32099, 32000), (t5.IdOf("<extra_id_0>"), t5.IdOf("<extra_id_99>")));
        foreach (
            var text in new[] { "a\u0001b\u000Bc\u007F d\u001Fe\u009Ff", "The <extra_id_0> walks in <extra_id_1> park", "  two  spaces  " }
        )
            Assert.Equal(TokenizerFolders.TheT5.Encode(text), t5.Encode(text));
    }

    /// <summary>The file that transformers itself saved for T5, which lies beside the data and not in the repository.</summary>
    [Fact]
    public void T5sPublishedFileIsThatOfItsOtherFiles()
    {
        File.Copy(SharedData.Path("../tokenizers/t5/tokenizer.json"), _folder["tokenizer.json"]);
        _folder.Write("tokenizer_config.json", "{\"tokenizer_class\": \"T5TokenizerFast\"}");
        CheckT5(TextTokenizer.Load(_folder.Path));
    }

    [Fact]
    [Trait("Category", "Vectors")]
    public void Llama3sPiecesAndWholeTokensAreThoseOfTheReference()
    {
        var llama = Load(
            TokenizerJsonFiles.Llama3(TokenizerFolders.Folder("gpt2")),
            "{\"eos_token\": {\"content\": \"<|eot_id|>\"}, \"pad_token\": \"<|end_of_text|>\"}"
        );

        TokenizerVectorTests.Check("llama3_bpe*.json", llama);
        Assert.Equal((5003, 5002, 5001), (llama.VocabularySize, llama.EosTokenId, llama.PadTokenId));
        Assert.Equal([5000, .. llama.Encode("hello world")], llama.EncodeInput("hello world"));
        Assert.Equal("hello world", llama.Decode([.. llama.EncodeInput("hello world"), 5002, 5001]));
        Assert.Equal([5000, 5002], llama.Encode("<|begin_of_text|><|eot_id|>"));
        foreach (var text in new[] { "", " x ", "naïve 日本\r\n\r\n 12345678", "🇩🇪\0" })
            Assert.Equal(text, llama.Decode(llama.Encode(text)));
    }

    /// <summary>A pattern's character is a code point, which may be two of .NET's. Ids of the reference.</summary>
    [Fact]
    public void ACharacterOfTwoHalvesIsOneToAPattern()
    {
        var llama = Load(TokenizerJsonFiles.Llama3(TokenizerFolders.Folder("gpt2")), "{\"eos_token\": \"<|eot_id|>\"}");
        Assert.Equal([172, 253, 238, 251, 817, 68, 2646], llama.Encode("🐝The film"));
        Assert.Equal(
            "a\U0001D400b \U0001D7CF\U0001D7CF2",
            TokenizerFolders.TheGpt2.Decode(TokenizerFolders.TheGpt2.Encode("a\U0001D400b \U0001D7CF\U0001D7CF2"))
        );
    }

    [Fact]
    public void TheEndOfTextIsTheModelsWhereTheTokenizerNamesNone()
    {
        var json = TokenizerJsonFiles.Llama3(TokenizerFolders.Folder("gpt2"));
        _folder.Write("tokenizer.json", json.ToJsonString());
        Assert.Equal("tokenizer/missing", CodeOf(() => _ = TextTokenizer.Load(_folder.Path).EosTokenId, "eos_token", _folder.Path));
        _folder.Write("config.json", "{\"eos_token_id\": [5001, 5002]}");
        Assert.Equal(5001, TextTokenizer.Load(_folder.Path).EosTokenId);
        _folder.Write("config.json", "{\"eos_token_id\": 5003}");
        Assert.Equal("tokenizer/corrupt", CodeOf(() => TextTokenizer.Load(_folder.Path), "5003", _folder.Path));
    }

    /// <summary>Vocabulary files beside it say less than it does.</summary>
    [Fact]
    public void ItComesBeforeVocabularyFiles()
    {
        TokenizerFiles.Copy(TokenizerFolders.Folder("bert-base-uncased"), _folder.Path);
        _folder.Write("tokenizer.json", "{}");
        Assert.Equal("tokenizer/unsupported", CodeOf(() => TextTokenizer.Load(_folder.Path), _folder["tokenizer.json"], "model.type"));
    }

    [Theory]
    [InlineData("gpt2", "model.type", "\"Other\"", "model.type")]
    [InlineData("gpt2", "model.dropout", "0.1", "model.dropout")]
    [InlineData("gpt2", "model.novelty", "true", "model.novelty")]
    [InlineData("gpt2", "novelty", "true", "novelty")]
    [InlineData("gpt2", "normalizer", "{\"type\": \"Nmt\"}", "normalizer.type")]
    [InlineData("gpt2", "pre_tokenizer.type", "\"UnicodeScripts\"", "pre_tokenizer.type")]
    [InlineData("gpt2", "pre_tokenizer.novelty", "true", "pre_tokenizer.novelty")]
    [InlineData("gpt2", "post_processor.type", "\"Other\"", "post_processor.type")]
    [InlineData("gpt2", "decoder.type", "\"CTC\"", "decoder.type")]
    [InlineData("gpt2", "added_tokens[0].id", "7", "added_tokens[0].id")]
    [InlineData("gpt2", "added_tokens[0].novelty", "7", "added_tokens[0].novelty")]
    [InlineData("llama3", "pre_tokenizer.pretokenizers[0].behavior", "\"Other\"", "pretokenizers[0].behavior")]
    [InlineData("llama3", "pre_tokenizer.pretokenizers[0].pattern.Regex", "\"[[:alpha:]]+\"", "pattern.Regex")]
    [InlineData("llama3", "pre_tokenizer.pretokenizers[0].pattern.Regex", "\"[a-z&&[^b]]\"", "pattern.Regex")]
    [InlineData("llama3", "pre_tokenizer.pretokenizers[0].pattern.Regex", "\"\\\\w+\"", "pattern.Regex")]
    [InlineData("llama3", "pre_tokenizer.pretokenizers[0].pattern.Regex", "\"\\\\p{Han}\"", "pattern.Regex")]
    [InlineData("llama3", "pre_tokenizer.pretokenizers[0].pattern.Regex", "\"a|^b\"", "pattern.Regex")]
    [InlineData("llama3", "pre_tokenizer.pretokenizers[0].pattern.Regex", "\"(?i)a\"", "pattern.Regex")]
    [InlineData("llama3", "pre_tokenizer.pretokenizers[0].pattern.Regex", "\"(?i:'ss)\"", "pattern.Regex")]
    [InlineData("llama3", "pre_tokenizer.pretokenizers[0].pattern.Regex", "\"a{2}?\"", "pattern.Regex")]
    [InlineData("llama3", "pre_tokenizer.pretokenizers[0].pattern.Regex", "\"(a\"", "pattern.Regex")]
    [InlineData("llama3", "pre_tokenizer.pretokenizers[0].pattern", "{\"String\": \"\"}", "pattern")]
    [InlineData("bert", "normalizer.lowercase", "\"yes\"", "normalizer.lowercase")]
    [InlineData("bert", "model.unk_token", "\"<unk>\"", "model.unk_token")]
    [InlineData("t5", "model.vocab[5]", "[\"x\"]", "model.vocab[5]")]
    [InlineData("t5", "pre_tokenizer.pretokenizers[1].prepend_scheme", "\"second\"", "pretokenizers[1].prepend_scheme")]
    [InlineData("t5", "pre_tokenizer.pretokenizers[1].prepend_scheme", "\"first\"", "normalizer")]
    [InlineData("t5", "post_processor.special_tokens", "{}", "post_processor")]
    public void WhatWouldChangeTheIdsAndIsNotKnownIsRefusedByItsField(string kind, string field, string value, string named)
    {
        var json = Small(kind);
        Set(json, field, value);
        _folder.Write("tokenizer.json", json.ToJsonString());

        Assert.Equal("tokenizer/unsupported", CodeOf(() => TextTokenizer.Load(_folder.Path), named, _folder["tokenizer.json"]));
    }

    [Theory]
    [InlineData("gpt2", "model.vocab.Ġ", "7")]
    [InlineData("gpt2", "model.vocab.Ġ", "-1")]
    [InlineData("gpt2", "model.vocab.Ġ", "2000000000")]
    [InlineData("gpt2", "model.merges[0]", "\"xyzzy plugh\"")]
    [InlineData("bert", "model.vocab.the", "0")]
    [InlineData("t5", "normalizer.precompiled_charsmap", "\"!\"")]
    [InlineData("t5", "model.unk_id", "5000")]
    public void BrokenFilesAreRefused(string kind, string field, string value)
    {
        var json = Small(kind);
        Set(json, field, value);
        _folder.Write("tokenizer.json", json.ToJsonString());
        Assert.Equal("tokenizer/corrupt", CodeOf(() => TextTokenizer.Load(_folder.Path), _folder["tokenizer.json"]));
        _folder.Write("tokenizer.json", json.ToJsonString()[..500]);
        Assert.Equal("tokenizer/corrupt", CodeOf(() => TextTokenizer.Load(_folder.Path), _folder["tokenizer.json"]));
    }

    [Fact]
    public void SmallFilesAreSound()
    {
        foreach (var kind in new[] { "gpt2", "llama3", "bert", "t5" })
        {
            _folder.Write("config.json", "{\"eos_token_id\": 1}");
            _folder.Write("tokenizer.json", Small(kind).ToJsonString());
            var tokenizer = TextTokenizer.Load(_folder.Path);
            Assert.All(tokenizer.EncodeInput("The film was good."), id => Assert.InRange(id, 0, tokenizer.VocabularySize - 1));
        }
    }

    private TextTokenizer Load(JsonObject json, string config = "{}")
    {
        _folder.Write("tokenizer_config.json", config);
        _folder.Write("tokenizer.json", json.ToJsonString());
        return TextTokenizer.Load(_folder.Path);
    }

    /// <summary>
    /// Its vectors are SentencePiece's, from which HF's tokenizers parts where two segmentations have the same score or a mark follows a
    /// character that is replaced.
    /// </summary>
    private static void CheckT5(TextTokenizer t5)
    {
        using (var vectors = System.Text.Json.JsonDocument.Parse(File.ReadAllBytes(Repository.Path("tests/vectors/t5_spm_vectors.json"))))
            foreach (var vector in vectors.RootElement.EnumerateArray())
                Assert.Equal(
                    vector.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32()),
                    t5.EncodeLiteral(vector.GetProperty("text").GetString()!)
                );
        Assert.Equal([3, 9, 17774, 7079, 115], t5.Encode("a\u2034b"));
        CheckAlike(t5, TokenizerFolders.TheT5, null);
    }

    private static void CheckAlike(TextTokenizer tokenizer, TextTokenizer expected, string? vectors)
    {
        if (vectors is not null)
            TokenizerVectorTests.Check(vectors, tokenizer);
        Assert.Equal(
            (expected.VocabularySize, expected.EosTokenId, expected.PadTokenId),
            (tokenizer.VocabularySize, tokenizer.EosTokenId, tokenizer.PadTokenId)
        );
        Assert.Equal(expected.EncodeInput("Hello world </s> <s> [SEP]"), tokenizer.EncodeInput("Hello world </s> <s> [SEP]"));
        int[] some = [.. Enumerable.Range(0, expected.VocabularySize).Where(id => id % 97 == 0)];
        Assert.Equal(expected.Decode(some), tokenizer.Decode(some));
    }

    /// <summary>A file with few tokens.</summary>
    private JsonObject Small(string kind)
    {
        switch (kind)
        {
            case "gpt2":
                Gpt2TokenizerFiles.Cut(Repository.Gpt2Tokenizer, _folder["cut"], 300);
                var json = TokenizerJsonFiles.Gpt2(_folder["cut"]);
                json["added_tokens"]![0]!["id"] = 299;
                return json;
            case "llama3":
                return TokenizerJsonFiles.Llama3(TokenizerFolders.Folder("gpt2"));
            case "bert":
                return TokenizerJsonFiles.Bert(
                    File.ReadLines(Path.Combine(TokenizerFolders.Folder("bert-base-uncased"), "vocab.txt"))
                        .Take(2100)
                        .Where((_, line) => line is 0 or >= 100),
                    lower: true
                );
            default:
                return TokenizerJsonFiles.T5(SentencePieceBytes.First(Path.Combine(TokenizerFolders.Folder("t5"), "spiece.model"), 300));
        }
    }

    /// <summary>Sets a field by its path.</summary>
    private static void Set(JsonObject json, string path, string value)
    {
        JsonNode node = json;
        var parts = path.Replace("[", ".[").Split('.');
        foreach (var part in parts[..^1])
            node = (part[0] == '[' ? node[int.Parse(part[1..^1])] : node[part])!;
        if (parts[^1][0] == '[')
            node[int.Parse(parts[^1][1..^1])] = JsonNode.Parse(value);
        else
            node[parts[^1]] = JsonNode.Parse(value);
    }
}
