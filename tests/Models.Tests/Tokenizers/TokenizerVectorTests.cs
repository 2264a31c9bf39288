using System.Text.Json;
using DfPO.Models.Tokenizers;

namespace DfPO.Models.Tests.Tokenizers;

/// <summary>Every tokenizer against ids of the reference implementations.</summary>
/// <remarks>
/// T5's unicode vectors and Llama's last ones, whose segmentations tie, were made with SentencePiece 0.1.97; the others of Llama, BERT and
/// RoBERTa with HF's tokenizers 0.23.2, without marks that Unicode took for punctuation only later than that. In all of them special tokens
/// are only the characters that they are written with.
/// </remarks>
[Trait("Category", "Vectors")]
public sealed class TokenizerVectorTests
{
    [Fact]
    public void T5() => Check("t5_spm*.json", TokenizerFolders.TheT5);

    [Fact]
    public void Roberta() => Check("roberta_bpe*.json", TokenizerFolders.TheRoberta);

    [Fact]
    public void BertThatIgnoresCase() => Check("bert_wordpiece_uncased*.json", TokenizerFolders.TheBert);

    [Fact]
    public void BertThatMindsCase() => Check("bert_wordpiece_cased*.json", TokenizerFolders.TheBertCased);

    [Fact]
    public void Llama() => Check("llama_spm_stories260K*.json", TokenizerFolders.TheLlama);

    /// <summary>The given folder's files of a form, or, where it has none, the repository's.</summary>
    internal static void Check(string pattern, TextTokenizer tokenizer)
    {
        string[] files = [.. Directory.GetFiles(Repository.Vectors, pattern)];
        files = files.Length > 0 ? files : Directory.GetFiles(Repository.Path("tests/vectors"), pattern);
        Assert.NotEmpty(files);
        foreach (var file in files)
        {
            using var vectors = JsonDocument.Parse(File.ReadAllBytes(file));
            Assert.NotEqual(0, vectors.RootElement.GetArrayLength());
            foreach (var vector in vectors.RootElement.EnumerateArray())
            {
                int[] ids = [.. vector.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32())];
                Assert.Equal(ids, tokenizer.EncodeLiteral(vector.GetProperty("text").GetString()!));
                if (vector.TryGetProperty("decoded", out var decoded))
                    Assert.Equal(decoded.GetString(), tokenizer.Decode(ids));
            }
        }
    }
}
