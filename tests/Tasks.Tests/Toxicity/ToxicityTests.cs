using DfPO.Tasks.Toxicity;

namespace DfPO.Tasks.Tests.Toxicity;

public sealed class ToxicityTests : IDisposable
{
    private static readonly ScoredText[] s_texts =
    [
        .. Enumerable
            .Range(0, 60)
            .Select(i =>
                i % 2 == 0
                    ? new ScoredText($"you are a stupid fool number {i}", 0.9f)
                    : new ScoredText($"what a lovely morning number {i}", 0.05f)
            ),
    ];

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void WordsThatWereToxicAreToxicInOtherTextsToo()
    {
        var regressor = ToxicityTrainer.Train(s_texts, new ToxicityTraining { Buckets = 1 << 14 });

        Assert.InRange(regressor.Score("he is stupid"), 0.5f, 1f);
        Assert.InRange(regressor.Score("a lovely garden"), 0f, 0.3f);
        Assert.InRange(regressor.Score(""), 0f, 1f);
    }

    [Fact]
    public void TrainingIsRepeatableAndFilesKeepEveryScore()
    {
        var options = new ToxicityTraining { Buckets = 1 << 12, Epochs = 3 };
        var first = ToxicityTrainer.Train(s_texts, options);
        first.Save(_folder["toxicity.bin"]);
        ToxicityTrainer.Train(s_texts, options).Save(_folder["again.bin"]);
        var read = ToxicityRegressor.Load(_folder.Path);

        Assert.Equal(File.ReadAllBytes(_folder["toxicity.bin"]), File.ReadAllBytes(_folder["again.bin"]));
        foreach (var text in s_texts)
            Assert.Equal(first.Score(text.Text), read.Score(text.Text));
    }

    [Fact]
    public void AFileThatIsNoneIsNamed()
    {
        ToxicityTrainer.Train(s_texts, new ToxicityTraining { Buckets = 16, Epochs = 1 }).Save(_folder["toxicity.bin"]);
        var bytes = File.ReadAllBytes(_folder["toxicity.bin"]);
        File.WriteAllBytes(_folder["cut.bin"], bytes[..^1]);

        Assert.Equal("toxicity/malformed", CodeOf(() => ToxicityRegressor.Load(_folder["cut.bin"]), "cut.bin"));
        Assert.Equal("toxicity/malformed", CodeOf(() => ToxicityRegressor.Load(_folder.Write("x.bin", "{}")), "x.bin"));
        Assert.Equal("toxicity/malformed", CodeOf(() => ToxicityRegressor.Load(_folder.Write("y.bin", "oops\n")), "y.bin"));
        Assert.Equal("toxicity/missing", CodeOf(() => ToxicityRegressor.Load(_folder["none.bin"]), "none.bin"));
    }

    [Fact]
    public void TrainingThatMakesNoSenseIsRefused()
    {
        Assert.Equal("toxicity/training", CodeOf(() => ToxicityTrainer.Train([])));
        Assert.Equal("toxicity/training", CodeOf(() => ToxicityTrainer.Train([new ScoredText("a", float.NaN)]), "NaN"));
        Assert.Equal(
            "toxicity/training",
            CodeOf(() => ToxicityTrainer.Train(s_texts, new ToxicityTraining { Buckets = 1000 }), "power of two")
        );
        Assert.Equal("toxicity/training", CodeOf(() => ToxicityTrainer.Train(s_texts, new ToxicityTraining { Epochs = 0 }), "epochs"));
    }

    [Fact]
    public void FeaturesAreAVectorOfLengthOne()
    {
        var (buckets, values) = HashedNgrams.Of("Some words, some MORE words!", 1 << 16);

        Assert.Equal(1, values.Sum(value => value * value), 1e-5);
        Assert.Equal(buckets.Length, buckets.Distinct().Count());
        Assert.Equal(buckets, HashedNgrams.Of("some WORDS, some more words!", 1 << 16).Buckets);
        Assert.Empty(HashedNgrams.Of(" ", 1 << 16).Buckets);
    }

    [Fact]
    public void AgreementIsWhatItsDefinitionsGive()
    {
        var evaluation = ToxicityEvaluation.Of([0.9, 0.4, 0.6, 0.1, 0.4], [0.8, 0.7, 0.2, 0.1, 0.3]);

        // Of the six pairs of toxic (.9, .4) and mild (.6, .1, .4): four in order, one equal, which counts half.
        Assert.Equal(4.5 / 6, evaluation.Auc, 12);
        Assert.Equal(1, ToxicityEvaluation.Of([1, 2, 3], [0.1, 0.2, 0.9]).Auc);
        Assert.Equal(1, ToxicityEvaluation.Of([1, 2, 3], [0.2, 0.4, 0.6]).Pearson, 12);
        Assert.Equal(-1, ToxicityEvaluation.Of([1, 2, 3], [0.6, 0.4, 0.2]).Pearson, 12);
    }

    [Fact]
    [Trait("Category", "Data")]
    public void HeldOutSpansOfRealToxicityPromptsAreRatedAsPromised()
    {
        var (training, heldOut) = ToxicityCorpus.Read([
            SharedData.Path("rtp/quark_val.jsonl"),
            SharedData.Path("rtp/decodingtrust_nontoxic.jsonl"),
        ]);

        var trained = ToxicityEvaluation.Of(ToxicityTrainer.Train(training), heldOut);
        var shipped = ToxicityEvaluation.Of(ToxicityRegressor.Load(Repository.Path("models/toxicity-tiny")), heldOut);

        TestContext.Current.TestOutputHelper?.WriteLine($"trained {trained}, shipped {shipped}");
        foreach (var evaluation in new[] { trained, shipped })
        {
            Assert.True(evaluation.Pearson >= 0.81, $"{evaluation}");
            Assert.True(evaluation.Auc >= 0.91, $"{evaluation}");
        }
    }

    [Fact]
    public void TheShippedRegressorTellsAnInsultFromAThankYou()
    {
        var regressor = ToxicityRegressor.Load(Repository.Path("models/toxicity-tiny"));

        Assert.True(regressor.Score("You are a stupid, pathetic idiot.") > 0.6);
        // Texts of the data set are seldom rated under .1, and the regressor does not go lower either.
        Assert.True(regressor.Score("Thank you for the kind words about the garden.") < 0.3);
    }

    [Fact]
    public void SpansOfOneSentenceStayOnOneSide()
    {
        var path = _folder.Write(
            "rtp.jsonl",
            string.Concat(
                Enumerable
                    .Range(0, 50)
                    .Select(i =>
                        $"{{\"prompt\": {{\"text\": \"p{i}\", \"toxicity\": 0.5}}, \"continuation\": {{\"text\": \"c{i}\", \"toxicity\": {(i == 0 ? "null" : "0.25")}}}}}\n"
                    )
            )
        );

        var (training, heldOut) = ToxicityCorpus.Read([path], heldOut: 0.2);

        Assert.Equal(99, training.Count + heldOut.Count);
        Assert.InRange(heldOut.Count, 19, 20);
        Assert.Empty(training.Select(span => span.Text[1..]).Intersect(heldOut.Select(span => span.Text[1..])));
    }
}
