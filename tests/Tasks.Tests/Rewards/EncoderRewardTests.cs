using DfPO.Models;
using DfPO.Models.Tokenizers;
using DfPO.Tasks.Prompts;
using DfPO.Tasks.Rewards;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Tasks.Tests.Rewards;

/// <summary>Rewards by classifiers of other architectures, each with its own tokenizer.</summary>
public sealed class EncoderRewardTests : IDisposable
{
    private static readonly PromptContinuation[] s_texts =
    [
        new("The film", " was a triumph, and everybody in the theatre said that it had to be seen again and again."),
        new("It was", " dull."),
        new("", ""),
        new("Ünï", "cödé 👍"),
    ];
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("bert", "")]
    [InlineData("distilbert", "multi_label_classification")]
    [InlineData("roberta", "")]
    public void ScoresAreTheProbabilitiesOfTextsWithTheirSpecialTokens(string type, string problem)
    {
        set_num_threads(1);
        EncoderFolders.Save(_folder, type, problem);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var model = PretrainedModels.LoadSequenceClassifier(_folder.Path);
        var tokenizer = TextTokenizer.Load(_folder.Path);
        using var reward = ClassifierReward.Load(_folder.Path, "good", batchSize: 3);

        var scores = reward.Score(s_texts);

        foreach (var (score, text) in scores.Zip(s_texts))
        {
            int[] words = tokenizer.Encode(text.Prompt + text.Continuation),
                around = tokenizer.EncodeInput("");
            long[] ids = [around[0], .. words.TakeLast(EncoderFolders.MaxTokens - 2).Select(id => (long)id), around[1]];
            var logits = model.Logits(tensor(ids).unsqueeze(0), tensor(new[] { (long)ids.Length }));
            Assert.Equal((problem.Length > 0 ? logits.sigmoid() : logits.softmax(1))[0, 1].item<float>(), score, 1e-5f);
        }
        Assert.Equal(scores.Count, scores.Distinct().Count());
    }

    [Fact]
    public void AnUnknownLabelIsNamedWithTheKnownOnes()
    {
        EncoderFolders.Save(_folder, "bert");

        Assert.Equal("reward/label", CodeOf(() => ClassifierReward.Load(_folder.Path, "happy"), "'happy'", "'bad'", "'good'"));
    }
}
