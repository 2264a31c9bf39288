using System.Text;
using System.Text.Json;
using DfPO.Models.Gpt2;
using DfPO.Models.Tokenizers;
using Tokenizer = DfPO.Models.Tokenizers.TextTokenizer;

namespace DfPO.Models.Tests.Tokenizers;

public sealed class Gpt2TokenizerTests : IDisposable
{
    private static readonly Tokenizer s_whole = Tokenizer.Load(Repository.Gpt2Tokenizer);
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string> VectorFiles =>
        [.. Directory.GetFiles(Repository.Vectors, "gpt2_bpe*.json").Select(path => Path.GetFileName(path))];

    [Theory]
    [MemberData(nameof(VectorFiles))]
    [Trait("Category", "Vectors")]
    public void EveryTextHasTheIdsOfTheReferenceAndComesBack(string file)
    {
        using var vectors = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Repository.Vectors, file)));

        Assert.NotEqual(0, vectors.RootElement.GetArrayLength());
        foreach (var vector in vectors.RootElement.EnumerateArray())
        {
            var text = vector.GetProperty("text").GetString()!;
            Assert.Equal(vector.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32()), s_whole.Encode(text));
            Assert.Equal(text, s_whole.Decode(s_whole.Encode(text), skipSpecialTokens: false));
        }
    }

    [Theory]
    [InlineData("Hello world", "15496,995")]
    [InlineData(" Hello  world\n", "18435,220,995,198")]
    [InlineData("", "")]
    public void WellKnownTextsHaveTheirWellKnownIds(string text, string ids) => Assert.Equal(ids, string.Join(',', s_whole.Encode(text)));

    /// <summary>As in transformers; the text of a special token is that token.</summary>
    [Fact]
    public void TheEndOfTextIsTheLastIdAndReadFromText()
    {
        Assert.Equal((50257, 50256), (s_whole.VocabularySize, s_whole.EosTokenId));
        Assert.Equal([50256], s_whole.EosTokenIds);
        var ids = s_whole.Encode("a<|endoftext|>b");
        Assert.Equal([64, 50256, 65], ids);
        Assert.Equal("a<|endoftext|>b", s_whole.Decode(ids, skipSpecialTokens: false));
        Assert.Equal("Hello world", s_whole.Decode([50256, 15496, 995, 50256]));
    }

    [Theory]
    [InlineData(257)]
    [InlineData(300)]
    [InlineData(1024)]
    [InlineData(8192)]
    [InlineData(50257)]
    public void ACutTokenizerBringsEveryTextBack(int size)
    {
        Gpt2TokenizerFiles.Cut(Repository.Gpt2Tokenizer, _folder.Path, size);
        var cut = Tokenizer.Load(_folder.Path);

        Assert.Equal((size, size - 1), (cut.VocabularySize, cut.EosTokenId));
        var random = new Random(size);
        foreach (var text in Texts().Concat(Enumerable.Range(0, 300).Select(_ => RandomText(random))))
        {
            var ids = cut.Encode(text);
            Assert.Equal(text, cut.Decode(ids, skipSpecialTokens: false));
            Assert.All(ids, id => Assert.InRange(id, 0, size - 1));
            if (size == s_whole.VocabularySize)
                Assert.Equal(s_whole.Encode(text), ids);
        }
    }

    [Fact]
    public void ASmallerVocabularyNeedsMoreTokens()
    {
        const string Text = "The quick brown fox jumps over the lazy dog, whose name nobody remembers.";
        var lengths = new List<int>();
        foreach (var size in new[] { 257, 1024, 8192 })
        {
            Gpt2TokenizerFiles.Cut(Repository.Gpt2Tokenizer, _folder.Path, size);
            lengths.Add(Tokenizer.Load(_folder.Path).Encode(Text).Length);
        }

        Assert.Equal(Text.Length, lengths[0]);
        Assert.Equal(lengths.OrderDescending(), lengths);
        Assert.True(lengths[^1] > s_whole.Encode(Text).Length);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(256)]
    [InlineData(50258)]
    public void ASizeThatCannotBeCutIsRefused(int size) =>
        Assert.Equal(
            "tokenizer/size",
            CodeOf(() => Gpt2TokenizerFiles.Cut(Repository.Gpt2Tokenizer, _folder.Path, size), $"{size}", "257", "50257")
        );

    [Fact]
    public void CopiedFilesAreTheSameFiles()
    {
        TokenizerFiles.Copy(Repository.Gpt2Tokenizer, _folder.Path);

        foreach (var name in new[] { "vocab.json", "merges.txt" })
            Assert.Equal(
                File.ReadAllBytes(Path.Combine(Repository.Gpt2Tokenizer, name)),
                File.ReadAllBytes(Path.Combine(_folder.Path, name))
            );
    }

    [Theory]
    [InlineData("vocab.json")]
    [InlineData("merges.txt")]
    public void AMissingFileIsNamed(string name)
    {
        Gpt2TokenizerFiles.Cut(Repository.Gpt2Tokenizer, _folder.Path, 300);
        File.Delete(Path.Combine(_folder.Path, name));

        Assert.Equal("tokenizer/missing", CodeOf(() => Tokenizer.Load(_folder.Path), Path.Combine(_folder.Path, name)));
    }

    [Theory]
    [InlineData("{\"a\": 0,")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("{\"a\": \"b\"}")]
    [InlineData("{\"a\": 0}")]
    [InlineData("{\"a\": 0, \"<|endoftext|>\": 2}")]
    [InlineData("{\"a\": 0, \"<|endoftext|>\": 0}")]
    [InlineData("{\"a\": -1, \"<|endoftext|>\": 0}")]
    [InlineData("{\"a\": 0, \"<|endoftext|>\": 1}")]
    public void ABrokenVocabularyIsRefused(string vocabulary)
    {
        Gpt2TokenizerFiles.Cut(Repository.Gpt2Tokenizer, _folder.Path, 300);
        _folder.Write("vocab.json", vocabulary);

        Assert.Equal("tokenizer/corrupt", CodeOf(() => Tokenizer.Load(_folder.Path), _folder.Path, "vocab.json"));
    }

    [Theory]
    [InlineData("Ġ t\nnospace\n")]
    [InlineData("Ġ t\na b c\n")]
    [InlineData("Ġ t\nxyzzy plugh\n")]
    [InlineData("\0\u0001\u0002")]
    public void MergesThatDoNotBelongToTheVocabularyAreRefused(string merges)
    {
        Gpt2TokenizerFiles.Cut(Repository.Gpt2Tokenizer, _folder.Path, 300);
        _folder.Write("merges.txt", "#version: 0.2\n" + merges);

        Assert.Equal("tokenizer/corrupt", CodeOf(() => Tokenizer.Load(_folder.Path), _folder.Path, "merges.txt"));
    }

    [Fact]
    public void ATokenizerFitsAModelWithAtLeastAsManyRows()
    {
        Gpt2TokenizerFiles.Cut(Repository.Gpt2Tokenizer, _folder.Path, 300);
        var tokenizer = Tokenizer.Load(_folder.Path);
        CausalLM Model(int rows) =>
            new Gpt2LMHeadModel(
                new Gpt2Config
                {
                    VocabSize = rows,
                    NPositions = 8,
                    NEmbd = 8,
                    NLayer = 1,
                    NHead = 1,
                }
            );

        using (var exact = Model(300))
            tokenizer.CheckFits(exact);
        using (var spare = Model(304))
            tokenizer.CheckFits(spare);
        using var small = Model(299);
        Assert.Equal("tokenizer/mismatch", CodeOf(() => tokenizer.CheckFits(small), "300", "299", _folder.Path));
    }

    [Fact]
    public void AnIdBeyondTheVocabularyReadsAsNothing() => Assert.Equal("Hello world", s_whole.Decode([15496, 60000, -1, 995]));

    [Fact]
    public void ManyThreadsEncodeAsOneDoes()
    {
        var texts = Texts().ToArray();
        var expected = texts.Select(s_whole.Encode).ToArray();

        Parallel.For(0, 200, i => Assert.Equal(expected[i % texts.Length], s_whole.Encode(texts[i % texts.Length])));
    }

    private static IEnumerable<string> Texts() =>
        [
            "",
            " ",
            "\n",
            "\t\t x",
            "  two  spaces  ",
            "I'm we'll don't they've CAN'T",
            "naïve café — “quoted” … 50%",
            "日本語のテキスト",
            "Ελληνικά и русский",
            "👩‍👩‍👧‍👦 🇩🇪 👍🏽",
            "a\r\nb\r\n\r\n",
            "e\u0301\u0302",
            "\u00a0\u2028\u3000",
            "<|endoftext|><|endoftext|>",
            "x = [1, 2.5, -3e10]; // code",
            "\0\u0001\u007f",
            "1234567890".PadRight(400, '7'),
            new string('a', 500),
            new string(' ', 300) + "end",
        ];

    /// <summary>Runes from all of Unicode, most of them from its lower part.</summary>
    private static string RandomText(Random random)
    {
        var text = new StringBuilder();
        for (var length = random.Next(40); length > 0; length--)
        {
            var rune = random.Next(3) switch
            {
                0 => random.Next(0x80),
                1 => random.Next(0x3000),
                _ => random.Next(0x110000),
            };
            if (Rune.IsValid(rune))
                text.Append(new Rune(rune).ToString());
        }
        return text.ToString();
    }
}
