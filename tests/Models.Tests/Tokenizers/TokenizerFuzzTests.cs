using DfPO.Models.Tests.Support;
using DfPO.Models.Tokenizers;

namespace DfPO.Models.Tests.Tokenizers;

/// <summary>Thousands of broken tokenizer files: each is refused clearly, or makes ids within its vocabulary.</summary>
public sealed class TokenizerFuzzTests : IDisposable
{
    private static readonly string[] s_texts = ["The film was good, and naïve.\n 日本 x = 1", "", "  a\u0001b <extra_id_3> ＦＵＬＬ"];
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("vocab.json", 1500)]
    [InlineData("merges.txt", 1500)]
    public void BytePairs(string file, int rounds)
    {
        Gpt2TokenizerFiles.Cut(Repository.Gpt2Tokenizer, _folder.Path, 300);

        Survive(file, rounds, 600);
    }

    [Fact]
    public void WordPieces()
    {
        File.WriteAllLines(
            _folder["vocab.txt"],
            File.ReadLines(Path.Combine(TokenizerFolders.Folder("bert-base-uncased"), "vocab.txt"))
                .Take(1100)
                .Where((_, line) => line is 0 or >= 100)
        );

        Survive("vocab.txt", 2000, 200);
    }

    [Fact]
    public void UnigramPieces()
    {
        File.WriteAllBytes(_folder["spiece.model"], SentencePieceBytes.Model(Unigram(), bpe: false, 2, -1, 1, 0));

        Survive("spiece.model", 2000, 100);
    }

    [Fact]
    public void UnigramPiecesWithARealNormaliser()
    {
        File.WriteAllBytes(
            _folder["spiece.model"],
            SentencePieceBytes.First(Path.Combine(TokenizerFolders.Folder("t5"), "spiece.model"), 300)
        );

        Survive("spiece.model", 500, 30_000);
    }

    [Fact]
    public void BpePieces()
    {
        File.WriteAllBytes(
            _folder["tokenizer.model"],
            SentencePieceBytes.Llama(Path.Combine(TokenizerFolders.Folder("stories260K"), "tokens.json"))
        );

        Survive("tokenizer.model", 2000, 300);
    }

    [Fact]
    public void TheVocabularyOfLlama2c()
    {
        TokenizerFiles.Copy(TokenizerFolders.Folder("stories260K"), _folder.Path);

        Survive("tokens.json", 2000, 300);
    }

    /// <summary>One folder of each kind of model.</summary>
    [Theory]
    [InlineData("gpt2")]
    [InlineData("llama2")]
    [InlineData("bert")]
    [InlineData("albert")]
    [InlineData("wordlevel")]
    [InlineData("deepseek")]
    public void TokenizerJson(string kind)
    {
        foreach (var file in new[] { "tokenizer.json", "tokenizer_config.json", "config.json" })
            File.Copy(Path.Combine(Repository.Path("tests/tokenizers/hf"), kind, file), _folder[file]);

        Survive("tokenizer.json", 400, 3000);
    }

    private static IEnumerable<(string, float, SentencePieceBytes.Kind)> Unigram() =>
        [
            ("<pad>", 0, SentencePieceBytes.Kind.Control),
            ("</s>", 0, SentencePieceBytes.Kind.Control),
            ("<unk>", 0, SentencePieceBytes.Kind.Unknown),
            .. "\u2581 a b c d e f g h i l m n o s t v w . , \u2581The \u2581film \u2581was ood and"
                .Split(' ')
                .Select((piece, rank) => (piece, -1f - rank, SentencePieceBytes.Kind.Normal)),
        ];

    private void Survive(string name, int rounds, int structure)
    {
        var good = File.ReadAllBytes(_folder[name]);
        var (read, refused) = (0, 0);
        Use();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var seed = 0; seed < rounds; seed++)
        {
            File.WriteAllBytes(_folder[name], Mutations.Mutate(good, seed, structure));
            try
            {
                Use();
                read++;
            }
            catch (DfpoException e)
            {
                Assert.True(e.Code is "tokenizer/corrupt" or "tokenizer/unsupported", $"{seed}: {e.Code}");
                Assert.Contains(_folder.Path, e.Message);
                refused++;
            }
        }
        Assert.Equal(rounds, read + refused);
        Assert.NotEqual(0, read);
        Assert.NotEqual(0, refused);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 5_000_000L * rounds);

        void Use()
        {
            var tokenizer = TextTokenizer.Load(_folder.Path);
            foreach (var text in s_texts)
            {
                var ids = tokenizer.EncodeInput(text);
                Assert.All(ids, id => Assert.InRange(id, 0, tokenizer.VocabularySize - 1));
                tokenizer.Decode(ids);
                tokenizer.DecodeContinuation(ids);
            }
        }
    }
}
