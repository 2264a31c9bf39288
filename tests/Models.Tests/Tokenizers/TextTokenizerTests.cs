using DfPO.Models.Tokenizers;
using static DfPO.Models.Tests.Tokenizers.TokenizerFolders;

namespace DfPO.Models.Tests.Tokenizers;

public sealed class TextTokenizerTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void AFolderWithoutTokenizerIsNamed()
    {
        Assert.Equal(
            "tokenizer/missing",
            CodeOf(() => TextTokenizer.Load(_folder.Path), _folder.Path, "tokenizer.json", "vocab.txt", "spiece.model")
        );
        _folder.Write("vocab.json", "{}");
        Assert.Equal("tokenizer/missing", CodeOf(() => TextTokenizer.Load(_folder.Path), "merges.txt"));
        _folder.Write("tokenizer.json", "{}");
        Assert.Equal("tokenizer/unsupported", CodeOf(() => TextTokenizer.Load(_folder.Path), "model.type", "tokenizer.json"));
    }

    /// <summary>Not by four tokens that other vocabularies have too.</summary>
    [Fact]
    public void WhoseVocabularyItIsStandsInTheConfiguration()
    {
        WriteRoberta(_folder.Path);
        File.Delete(_folder["tokenizer_config.json"]);
        Assert.Equal("tokenizer/unsupported", CodeOf(() => TextTokenizer.Load(_folder.Path), "tokenizer_class", _folder["vocab.json"]));
        _folder.Write("config.json", "{\"model_type\": \"roberta\"}");
        Assert.Equal(TheRoberta.EncodeInput("hello world"), TextTokenizer.Load(_folder.Path).EncodeInput("hello world"));
        _folder.Write("config.json", "{\"model_type\": \"gpt2\"}");
        Assert.Equal(TheRoberta.Encode("hello world"), TextTokenizer.Load(_folder.Path).EncodeInput("hello world"));
        _folder.Write("tokenizer_config.json", "{\"tokenizer_class\": \"BlenderbotTokenizer\"}");
        Assert.Equal("tokenizer/unsupported", CodeOf(() => TextTokenizer.Load(_folder.Path), "BlenderbotTokenizer", "tokenizer.json"));
    }

    [Fact]
    public void SizesAndSpecialIdsAreThePublishedOnes()
    {
        static (int, int, int) Of(TextTokenizer t) => (t.VocabularySize, t.EosTokenId, t.PadTokenId);
        Assert.Equal((50257, 50256, 50256), Of(TheGpt2));
        Assert.Equal((32100, 1, 0), Of(TheT5));
        Assert.Equal((30522, 102, 0), Of(TheBert));
        Assert.Equal((50265, 2, 1), Of(TheRoberta));
        Assert.Equal((0, 3, 50264), (TheRoberta.BosTokenId, TheRoberta.UnkTokenId, TheRoberta.Role("mask_token")));
        Assert.Equal((512, 2, 2), Of(TheLlama));
    }

    [Fact]
    public void AnInputHasTheSpecialTokensThatItsModelExpects()
    {
        Assert.Equal([31373, 995], TheGpt2.EncodeInput("hello world"));
        Assert.Equal([101, 7592, 2088, 102], TheBert.EncodeInput("Hello world"));
        Assert.Equal([0, 42891, 232, 2], TheRoberta.EncodeInput("hello world"));
        Assert.Equal([21820, 296, 1], TheT5.EncodeInput("hello world"));
        Assert.Equal([1, .. TheLlama.Encode("Once upon a time")], TheLlama.EncodeInput("Once upon a time"));
        Assert.Equal([101, 102], TheBert.EncodeInput(""));
    }

    [Fact]
    public void ALongTextKeepsItsEndAndItsSpecialTokens()
    {
        Assert.Equal([101, 2088, 102], TheBert.EncodeInput("hello world", 3));
        Assert.Equal([101, 102], TheBert.EncodeInput("hello world", 2));
        Assert.Equal([296, 1], TheT5.EncodeInput("hello world", 2));
        Assert.Equal([995], TheGpt2.EncodeInput("hello world", 1));
        Assert.Equal([31373], TheGpt2.EncodeInput("hello world", 1, TruncationSide.Right));
        Assert.Equal([21820, 1], TheT5.EncodeInput("hello world", 2, TruncationSide.Right));
        Assert.Throws<ArgumentOutOfRangeException>(() => TheBert.EncodeInput("hello", 1));
    }

    /// <summary>As in transformers.</summary>
    [Fact]
    public void SpecialTokensInATextAreThemselves()
    {
        foreach (var tokenizer in new[] { TheGpt2, TheT5, TheBert, TheRoberta, TheLlama })
        {
            var eos = tokenizer.TokenOf(tokenizer.EosTokenId)!;
            Assert.Equal(1, tokenizer.Encode($"a {eos} b").Count(id => id == tokenizer.EosTokenId));
            var input = tokenizer.EncodeInput("x");
            int[] special = [tokenizer.EosTokenId, tokenizer.PadTokenId, .. input.Except(tokenizer.Encode("x"))];
            Assert.Equal(
                tokenizer.Decode(tokenizer.Encode("x")).Trim(),
                tokenizer.Decode([.. special, .. tokenizer.Encode("x"), .. special]).Trim()
            );
        }
    }

    [Fact]
    public void SpecialTokensAreCutUpWhereThatIsAskedFor()
    {
        Gpt2TokenizerFiles.Cut(Repository.Gpt2Tokenizer, _folder.Path, 400);
        var whole = TextTokenizer.Load(_folder.Path);
        Assert.Contains(whole.EosTokenId, whole.Encode("a<|endoftext|>"));
        Assert.DoesNotContain(whole.EosTokenId, whole.EncodeLiteral("a<|endoftext|>"));
        _folder.Write("tokenizer_config.json", "{\"split_special_tokens\": true}");
        var split = TextTokenizer.Load(_folder.Path);
        Assert.Equal(whole.EncodeLiteral("a<|endoftext|>"), split.Encode("a<|endoftext|>"));
        Assert.Equal("a<|endoftext|>", split.Decode(split.Encode("a<|endoftext|>")));
    }

    [Fact]
    public void IdsBeyondTheVocabularyReadAsNothing()
    {
        foreach (var tokenizer in new[] { TheGpt2, TheT5, TheBert, TheRoberta, TheLlama })
            Assert.Equal(
                "hello",
                tokenizer.Decode([-1, .. tokenizer.Encode("hello"), tokenizer.VocabularySize, int.MaxValue, int.MinValue])
            );
    }

    [Fact]
    public void FilesAreCopiedWhateverTheirKind()
    {
        TokenizerFiles.Copy(Folder("t5"), _folder["t5"]);
        TokenizerFiles.Copy(Folder("bert-base-uncased"), _folder["bert"]);

        Assert.Equal(File.ReadAllBytes(Path.Combine(Folder("t5"), "spiece.model")), File.ReadAllBytes(_folder["t5/spiece.model"]));
        Assert.Equal(30522, TextTokenizer.Load(_folder["bert"]).VocabularySize);
        Assert.Equal("tokenizer/missing", CodeOf(() => TokenizerFiles.Copy(_folder.Path, _folder["out"]), _folder.Path));
        Assert.False(Directory.Exists(_folder["out"]));
    }

    [Fact]
    public void T5sSentinelsAreReadFromTextAndStandAtTheEndOfTheVocabulary()
    {
        var t5 = TheT5;

        Assert.Equal((32099, 32000, null), (t5.IdOf("<extra_id_0>"), t5.IdOf("<extra_id_99>"), t5.IdOf("<extra_id_100>")));
        Assert.Equal(
            [.. t5.Encode("The"), 32099, .. t5.Encode("walks in"), 32098, .. t5.Encode("park")],
            t5.Encode("The <extra_id_0> walks in <extra_id_1> park")
        );
        Assert.Equal([32000, 32099], t5.Encode("<extra_id_99><extra_id_0>"));
        Assert.DoesNotContain(t5.Encode("<extra_id_100> <extra_id_> <extra_id_999999999>"), id => id >= 32000);
        Assert.Equal("The walks", t5.Decode([.. t5.Encode("The"), 32099, .. t5.Encode("walks"), 1, 0]));
    }

    /// <summary>The library gives an unknown id to each character; SentencePiece one to a run.</summary>
    [Fact]
    public void ARunOfUnknownCharactersIsOneUnknownToken()
    {
        Assert.Equal([3, 2], TheT5.Encode("日本語"));
        Assert.Equal([3, 2, 3, 2], TheT5.Encode("日本 語"));
    }

    /// <summary>Two segmentations of the same score: the library takes the other one.</summary>
    [Fact]
    public void TiesAreBrokenAsSentencePieceBreaksThem() => Assert.Equal([3, 9, 7079, 17774, 115], TheT5.Encode("a\u2034b"));

    /// <summary>Of three equal letters the library may merge the last two first.</summary>
    [Fact]
    public void OfEqualPairsTheLeftmostIsMerged() => Assert.Equal([301, 347, 414], TheLlama.Encode("Sooo"));

    /// <summary>The library does not apply the rules of the normaliser that map a character to nothing.</summary>
    [Fact]
    public void CharactersThatT5sNormaliserDropsAreDropped() =>
        Assert.Equal(TheT5.Encode("abc def"), TheT5.Encode("a\u0001b\u000Bc\u007F d\u001Fe\u009Ff"));

    /// <summary>The library's BERT normaliser needs ICU to strip accents and joins or loses punctuation; ours does neither.</summary>
    [Theory]
    [InlineData("Ünaffable", "14477,20961,3468")]
    [InlineData("naïve", "15743")]
    [InlineData("x = [1];", "1060,1027,1031,1015,1033,1025")]
    [InlineData("東京", "1879,1755")]
    [InlineData("a\u0000b\u200Dc\uFFFD", "5925")]
    [InlineData("한국", "1469,30006,30021,29991,30014,30020")]
    public void BertReadsTextAsTheOriginal(string text, string ids) => Assert.Equal(ids, string.Join(',', TheBert.Encode(text)));

    [Fact]
    public void BertsConfigurationIsHeeded()
    {
        File.Copy(Path.Combine(Folder("bert-base-uncased"), "vocab.txt"), _folder["vocab.txt"]);
        _folder.Write("tokenizer_config.json", "{\"do_lower_case\": true, \"strip_accents\": false, \"tokenize_chinese_chars\": false}");
        var bert = TextTokenizer.Load(_folder.Path);

        Assert.Equal(7592, Assert.Single(bert.Encode("HELLO")));
        Assert.Equal(100, Assert.Single(bert.Encode("naïve")));
        Assert.NotEqual(TheBert.Encode("東京"), bert.Encode("東京"));
        _folder.Write("tokenizer_config.json", "{\"do_lower_case\": \"yes\"}");
        Assert.Equal("tokenizer/unsupported", CodeOf(() => TextTokenizer.Load(_folder.Path), "do_lower_case", "tokenizer_config.json"));
    }

    [Fact]
    public void AContinuationKeepsTheSpaceThatItBeginsWith()
    {
        var ids = TheLlama.Encode("Once upon a time, there was\n a little girl");
        for (var cut = 0; cut <= ids.Length; cut++)
            Assert.Equal(
                "Once upon a time, there was\n a little girl",
                TheLlama.Decode(ids[..cut]) + (cut == 0 ? TheLlama.Decode(ids) : TheLlama.DecodeContinuation(ids[cut..]))
            );
        Assert.Equal("Hello world", TheGpt2.Decode(TheGpt2.Encode("Hello")) + TheGpt2.DecodeContinuation(TheGpt2.Encode(" world")));
    }

    [Fact]
    public void LlamasModelFileSaysTheSameAsTheVocabularyOfLlama2c()
    {
        File.WriteAllBytes(_folder["tokenizer.model"], SentencePieceBytes.Llama(Path.Combine(Folder("stories260K"), "tokens.json")));
        var llama = TextTokenizer.Load(_folder.Path);

        Assert.Equal((512, 2, 2), (llama.VocabularySize, llama.EosTokenId, llama.PadTokenId));
        foreach (var text in new[] { "Once upon a time", " two  spaces ", "naïve 日本\n", "" })
        {
            Assert.Equal(TheLlama.EncodeInput(text), llama.EncodeInput(text));
            Assert.Equal(text, llama.Decode(llama.Encode(text)));
        }
    }

    [Fact]
    public void AWordTooLongForBertIsUnknown()
    {
        Assert.DoesNotContain(100, TheBert.Encode(new string('a', 100)));
        Assert.Equal([100], TheBert.Encode(new string('a', 101)));
    }

    [Fact]
    public void LongTextsOfOneKindEndInGoodTime()
    {
        foreach (var tokenizer in new[] { TheGpt2, TheT5, TheBert, TheRoberta, TheLlama })
            foreach (
                var text in new[]
                {
                new string(' ', 20_000),
                new string('a', 5_000),
                string.Concat(Enumerable.Repeat("ab ", 5_000)),
                new string('\n', 5_000),
                new string('日', 5_000),
                }
            )
                Assert.All(tokenizer.Encode(text), id => Assert.InRange(id, 0, tokenizer.VocabularySize - 1));
    }
}
