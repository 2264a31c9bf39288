using DfPO.Models;
using DfPO.Models.Classifiers;
using DfPO.Models.Gpt2;
using DfPO.Models.Tokenizers;
using DfPO.Tasks.Prompts;
using DfPO.Tasks.Rewards;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Tasks.Tests.Rewards;

public sealed class ClassifierRewardTests : IDisposable
{
    private const int Positions = 16;
    private static readonly PromptContinuation[] s_texts =
    [
        new(
            "The film",
            " is a long walk through a dull and rainy town that nobody would visit, and it never stops, it never ends, and it goes on."
        ),
        new("It was", " good"),
        new("", "x"),
        new("I did not like the film", ", and neither did the others."),
        new("", ""),
        new("Ünï", "cödé 👍"),
    ];

    private readonly TestFolder _folder = new();

    public ClassifierRewardTests()
    {
        set_num_threads(1);
        Gpt2TokenizerFiles.Cut(Repository.Gpt2Tokenizer, _folder.Path, 400);
        Save(vocabulary: 400, model => { });
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void ScoresAreTheProbabilitiesThatTheModelGivesToEachTextAlone()
    {
        using var model = PretrainedModels.LoadSequenceClassifier(_folder.Path);
        using var reward = ClassifierReward.Load(_folder.Path, "positive", batchSize: 4);

        var scores = reward.Score(s_texts);

        Assert.Equal(s_texts.Length, scores.Count);
        foreach (var (score, text) in scores.Zip(s_texts))
            Assert.Equal(Alone(model, text, label: 1), score, 1e-5f);
        Assert.Equal(scores.Count, scores.Distinct().Count());
    }

    [Fact]
    public void LabelsShareTheProbabilityMass()
    {
        var sums = new float[s_texts.Length];
        foreach (var label in new[] { "negative", "positive", "neutral" })
        {
            using var reward = ClassifierReward.Load(_folder.Path, label);
            foreach (var (row, score) in reward.Score(s_texts).Index())
            {
                Assert.InRange(score, 0.0f, 1.0f);
                sums[row] += score;
            }
        }

        Assert.All(sums, sum => Assert.Equal(1, sum, 1e-5f));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(32)]
    public void OrderAndBatchSizeDoNotMatter(int batchSize)
    {
        using var whole = ClassifierReward.Load(_folder.Path, "positive");
        using var reward = ClassifierReward.Load(_folder.Path, "positive", batchSize: batchSize);
        var expected = whole.Score(s_texts);

        var reversed = reward.Score([.. s_texts.Reverse()]);

        foreach (var (a, b) in expected.Zip(reversed.Reverse()))
            Assert.Equal(a, b, 1e-5f);
    }

    [Fact]
    public void OfALongTextTheLastTokensCount()
    {
        var tokenizer = TextTokenizer.Load(_folder.Path);
        var tokens = tokenizer.Encode(s_texts[0].Prompt + s_texts[0].Continuation);
        Assert.True(tokens.Length > Positions + 4);
        var tail = tokenizer.Decode(tokens[^Positions..]);
        Assert.Equal(tokens[^Positions..], tokenizer.Encode(tail));
        using var reward = ClassifierReward.Load(_folder.Path, "positive");

        var scores = reward.Score([s_texts[0], new("", tail), new("Quite another start", s_texts[0].Continuation)]);

        Assert.Equal(scores[0], scores[1], 1e-6f);
        Assert.Equal(scores[0], scores[2], 1e-6f);
    }

    [Fact]
    public void NoTextsGiveNoScores()
    {
        using var reward = ClassifierReward.Load(_folder.Path, "positive");

        Assert.Empty(reward.Score([]));
    }

    [Fact]
    public void Bfloat16StaysCloseToFloat32()
    {
        using var exact = ClassifierReward.Load(_folder.Path, "positive");
        using var rough = ClassifierReward.Load(_folder.Path, "positive", bf16: true);

        var (a, b) = (exact.Score(s_texts), rough.Score(s_texts));

        foreach (var (x, y) in a.Zip(b))
            Assert.Equal(x, y, 0.05f);
        Assert.NotEqual(a, b);
    }

    [Fact]
    public void ScoringLeavesNoTensorBehind()
    {
        using var reward = ClassifierReward.Load(_folder.Path, "positive", batchSize: 2);
        reward.Score(s_texts);
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;

        for (var i = 0; i < 3; i++)
            reward.Score(s_texts);

        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void AnUnknownLabelIsNamedWithTheKnownOnes() =>
        Assert.Equal(
            "reward/label",
            CodeOf(() => ClassifierReward.Load(_folder.Path, "happy"), "'happy'", "'negative'", "'positive'", "'neutral'", _folder.Path)
        );

    [Fact]
    public void AModelWithoutLabelsHasNone()
    {
        using (var model = new Gpt2LMHeadModel(Config(400) with { Labels = [] }))
        {
            model.Initialise(1);
            PretrainedModels.Save(_folder.Path, model, ScalarType.Float32);
        }

        Assert.Equal("reward/label", CodeOf(() => ClassifierReward.Load(_folder.Path, "positive"), "id2label"));
    }

    [Fact]
    public void NotANumberIsAnErrorAndNotAScore()
    {
        Save(vocabulary: 400, model => model.named_parameters().First(p => p.name == "score.weight").parameter.fill_(float.NaN));
        using var reward = ClassifierReward.Load(_folder.Path, "positive");

        Assert.Equal("reward/not-finite", CodeOf(() => reward.Score(s_texts), _folder.Path));
    }

    [Fact]
    public void ATokenizerThatIsTooLargeForTheModelIsRefused()
    {
        Save(vocabulary: 399, model => { });

        Assert.Equal("tokenizer/mismatch", CodeOf(() => ClassifierReward.Load(_folder.Path, "positive"), "400", "399"));
    }

    [Fact]
    public void AFolderWithoutTokenizerIsNamed()
    {
        File.Delete(Path.Combine(_folder.Path, "merges.txt"));

        Assert.Equal("tokenizer/missing", CodeOf(() => ClassifierReward.Load(_folder.Path, "positive"), "merges.txt"));
    }

    [Fact]
    public void AFolderThatIsNotThereIsNamed() =>
        Assert.Equal(
            "checkpoint/missing-folder",
            CodeOf(() => ClassifierReward.Load(Path.Combine(_folder.Path, "none"), "positive"), "none")
        );

    private static Gpt2Config Config(int vocabulary) =>
        new()
        {
            VocabSize = vocabulary,
            NPositions = Positions,
            NEmbd = 16,
            NLayer = 2,
            NHead = 2,
            InitializerRange = 0.3,
            Labels = ["negative", "positive", "neutral"],
        };

    private void Save(int vocabulary, Action<Gpt2ForSequenceClassification> change)
    {
        using var model = new Gpt2ForSequenceClassification(Config(vocabulary));
        model.Initialise(3);
        using (no_grad())
            change(model);
        PretrainedModels.Save(_folder.Path, model, ScalarType.Float32);
    }

    /// <summary>One text, unpadded and by itself.</summary>
    private float Alone(SequenceClassifier model, PromptContinuation text, int label)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var tokenizer = TextTokenizer.Load(_folder.Path);
        var tokens = tokenizer.Encode(text.Prompt + text.Continuation).TakeLast(Positions).Select(id => (long)id).ToArray();
        if (tokens.Length == 0)
            tokens = [tokenizer.EosTokenId];
        var logits = model.Logits(tensor(tokens).unsqueeze(0), tensor(new[] { (long)tokens.Length }));
        return logits.softmax(1)[0, label].item<float>();
    }
}
