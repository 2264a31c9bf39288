using DfPO.Tasks.Metrics;
using DfPO.Tasks.Prompts;
using DfPO.Tasks.Rewards;
using DfPO.Tasks.Tests.Metrics;

namespace DfPO.Tasks.Tests.Rewards;

public sealed class RewardFactoryTests : IDisposable
{
    private static readonly PromptContinuation s_dog = new("generate a sentence with: dog catch.", "a dog catches the ball")
    {
        References = ["The cat sleeps.", "A dog catches a ball."],
        Concepts = ["dog", "catch"],
    };

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void RewardsByComparisonGiveTheirMetricsBestReference()
    {
        string[] words = TreebankWords.Of(s_dog.Continuation),
            best = TreebankWords.Of(s_dog.References[1]);

        Assert.Equal(
            new Meteor(null).Score(words, best),
            Score(new RewardSpec { Kind = RewardKind.Meteor, WordNet = "none" }, s_dog),
            1e-6
        );
        Assert.Equal(
            new Rouge().L(s_dog.Continuation, s_dog.References[1]).F,
            Score(new RewardSpec { Kind = RewardKind.Rouge }, s_dog),
            1e-6
        );
        Assert.Equal(
            new Rouge().N(s_dog.Continuation, s_dog.References[1], 2).F,
            Score(new RewardSpec { Kind = RewardKind.Rouge, RougeType = "rouge2" }, s_dog),
            1e-6
        );
        Assert.InRange(Score(new RewardSpec { Kind = RewardKind.Bleu }, s_dog), 0.3f, 0.9f);
        Assert.Equal(1, Score(new RewardSpec { Kind = RewardKind.Bleu }, s_dog with { Continuation = "a dog catches a ball." }), 1e-6);
    }

    [Fact]
    public void MeteorUsesTheWordNetNamedAndTheBaseLibrarysMistakeOnRequest()
    {
        var text = new PromptContinuation("p", "the auto") { References = ["the car"] };
        var spec = new RewardSpec { Kind = RewardKind.Meteor, WordNet = TinyWordNet.Write(_folder) };

        Assert.True(
            Score(spec, text with { Continuation = "the car", References = ["the auto"] })
                > Score(spec with { WordNet = "none" }, text with { Continuation = "the car", References = ["the auto"] })
        );
        Assert.True(Score(spec with { Rl4lmsCompat = true }, s_dog) < Score(spec, s_dog));
        Assert.Equal("reward/spec", CodeOf(() => RewardFactory.Create(spec with { WordNet = "" }), "word-net", "none"));
        Assert.Equal("wordnet/missing", CodeOf(() => RewardFactory.Create(spec with { WordNet = _folder["no"] }), "no"));
    }

    [Fact]
    public void CiderTakesFrequenciesFromItsCorpusAndNotFromTheBatch()
    {
        new PromptSet([
            new Prompt("1", "p") { References = s_dog.References },
            new Prompt("2", "q") { References = ["A boy runs in the park."] },
            new Prompt("3", "r"),
        ]).Write(_folder["c.jsonl"]);
        using var reward = RewardFactory.Create(new RewardSpec { Kind = RewardKind.Cider, CiderCorpus = _folder["c.jsonl"] });

        var alone = reward.Score([s_dog])[0];

        Assert.True(alone > 1);
        Assert.Equal(alone, reward.Score([s_dog with { Continuation = "nothing" }, s_dog])[1]);
        Assert.Equal("reward/spec", CodeOf(() => RewardFactory.Create(new RewardSpec { Kind = RewardKind.Cider }), "cider-corpus"));
    }

    [Theory]
    [InlineData("The dog that catches a ball.", 0)]
    [InlineData("A dog catches a ball.", -1)]
    [InlineData("Dog catch.", -1)]
    [InlineData("A sentence about a dog.", -1)]
    [InlineData("They generate power.", -1)]
    [InlineData("dogs catch balls", 0)]
    public void RepeatingThePromptIsPunished(string continuation, float penalty) =>
        Assert.Equal(penalty, Score(new RewardSpec { Kind = RewardKind.RepeatPenalty }, s_dog with { Continuation = continuation }));

    [Fact]
    public void ACombinationAddsItsTermsUp()
    {
        var spec = new RewardSpec
        {
            Kind = RewardKind.Combination,
            Terms = [RewardKind.Coverage, RewardKind.RepeatPenalty, RewardKind.Classifier],
            Weights = [2, 0.5, 10],
            WordNet = "none",
        };

        using var reward = RewardFactory.Create(spec, () => new TextReward(text => text.Continuation.Length / 100.0));

        Assert.Equal(2 * 0.5 + 10 * 0.03, reward.Score([s_dog with { Continuation = "dog" }])[0], 1e-6);
        Assert.Equal(2 * 1 - 0.5 + 10 * 0.09, reward.Score([s_dog with { Continuation = "dog catch" }])[0], 1e-6);
        Assert.Equal(
            2 * 0.5 + 0.03,
            Score(
                spec with
                {
                    Weights = [],
                    Terms = [RewardKind.Coverage, RewardKind.Coverage, RewardKind.Classifier],
                },
                s_dog with
                {
                    Continuation = "dog",
                }
            ) + 0,
            1e-6
        );
    }

    [Theory]
    [InlineData(0)]
    [InlineData(10)]
    public void ACombinationTellsWhatEachTermGaveAlsoFromTheCache(int cache)
    {
        var spec = new RewardSpec
        {
            Kind = RewardKind.Combination,
            Terms = [RewardKind.RepeatPenalty, RewardKind.Classifier],
            Weights = [0.5, 10],
            CacheSize = cache,
        };
        using var reward = RewardFactory.Create(spec, () => new TextReward(text => text.Continuation.Length / 100.0));
        for (var time = 0; time < 2; time++)
        {
            var (totals, terms) = reward.Explain([
                s_dog with
                {
                    Continuation = "dogs catch balls",
                },
                s_dog with
                {
                    Continuation = "Dog catch.",
                },
            ]);
            Assert.Equal([[0f, -1f], [0.16f, 0.1f]], terms);
            Assert.Equal([1.6f, 0.5f], totals.Select(total => MathF.Round(total, 5)));
        }
        using var one = RewardFactory.Create(new RewardSpec(), () => new TextReward(_ => 1));
        Assert.Empty(one.Explain([s_dog]).Terms);
    }

    [Fact]
    public void ASpecThatContradictsItselfIsRefused()
    {
        Assert.Equal("reward/spec", CodeOf(() => RewardFactory.Create(new RewardSpec()), "classifier"));
        Assert.Equal("reward/spec", CodeOf(() => RewardFactory.Create(new RewardSpec { Kind = RewardKind.Combination }), "terms"));
        Assert.Equal(
            "reward/spec",
            CodeOf(
                () =>
                    RewardFactory.Create(
                        new RewardSpec
                        {
                            Kind = RewardKind.Combination,
                            Terms = [RewardKind.Bleu],
                            Weights = [1, 2],
                        }
                    ),
                "2 weights",
                "1 terms"
            )
        );
        Assert.Equal(
            "reward/spec",
            CodeOf(
                () => RewardFactory.Create(new RewardSpec { Kind = RewardKind.Combination, Terms = [RewardKind.Combination] }),
                "combination"
            )
        );
        Assert.Equal(
            "reward/spec",
            CodeOf(() => RewardFactory.Create(new RewardSpec { Kind = RewardKind.Rouge, RougeType = "rouge7" }), "rouge7")
        );
        Assert.Equal("reward/spec", CodeOf(() => RewardFactory.Create(new RewardSpec { Kind = RewardKind.Vader }), "lexicon"));
        Assert.Equal("reward/spec", CodeOf(() => RewardFactory.Create(new RewardSpec { Kind = RewardKind.Http }), "endpoint.url"));
    }

    [Fact]
    public void APromptWithoutWhatTheRewardNeedsIsNamed()
    {
        var bare = new PromptContinuation("Once upon a time", " there was");

        Assert.Equal("reward/references", CodeOf(() => Score(new RewardSpec { Kind = RewardKind.Bleu }, bare), "Once upon", "bleu"));
        Assert.Equal(
            "reward/concepts",
            CodeOf(() => Score(new RewardSpec { Kind = RewardKind.Coverage, WordNet = "none" }, bare), "Once upon", "coverage")
        );
    }

    [Fact]
    public void LexiconAndToxicityReadTheScopeAskedFor()
    {
        var lexicon = _folder.Write("vader_lexicon.txt", "good\t1.9\nbad\t-2.5\n");
        var vader = new RewardSpec { Kind = RewardKind.Vader, Lexicon = lexicon };
        var toxicity = new RewardSpec { Kind = RewardKind.NonToxicity, ToxicityModel = Repository.Path("models/toxicity-tiny") };
        var text = new PromptContinuation("a bad, stupid idiot of", " a good day");

        Assert.True(Score(vader, text) > 0);
        Assert.True(Score(vader with { Scope = RewardScope.Whole }, text) < Score(vader, text));
        Assert.True(Score(toxicity with { Scope = RewardScope.Whole }, text) < Score(toxicity, text));
        Assert.InRange(Score(toxicity, text), 0f, 1f);
    }

    [Theory]
    [InlineData(float.NaN, 1, "reward/not-finite", "NaN")]
    [InlineData(float.PositiveInfinity, 1, "reward/not-finite", "text 1 of 1")]
    [InlineData(1f, 2, "reward/count", "2 scores for 1 texts")]
    [InlineData(1f, 0, "reward/count", "0 scores for 1 texts")]
    public void AWrongNumberOfScoresOrNoNumberIsOneError(float value, int count, string code, string word)
    {
        using var reward = RewardFactory.Create(new RewardSpec(), () => new FixedReward([.. Enumerable.Repeat(value, count)]));

        Assert.Equal(code, CodeOf(() => reward.Score([s_dog]), "Classifier", word));
    }

    [Fact]
    public void EqualTextsAreScoredOnce()
    {
        var asked = new List<string>();
        using var reward = RewardFactory.Create(new RewardSpec { CacheSize = 3 }, () => new TextReward(text =>
            {
                asked.Add(text.Continuation);
                return text.Continuation.Length;
            }));
        PromptContinuation Text(string continuation) => new("p", continuation);

        Assert.Equal([1f, 2f, 1f], reward.Score([Text("a"), Text("bb"), Text("a")]));
        Assert.Equal([1f, 3f], reward.Score([Text("a"), Text("ccc")]));
        Assert.Equal(["a", "bb", "ccc"], asked);
        // Over the capacity the text that was not asked for longest goes: bb.
        reward.Score([Text("dddd")]);
        reward.Score([Text("a"), Text("bb")]);
        Assert.Equal(["a", "bb", "ccc", "dddd", "bb"], asked);
        // Other references are another text.
        reward.Score([Text("a") with { References = ["r"] }]);
        Assert.Equal("a", asked[^1]);
    }

    [Fact]
    public void ABatchOverTheCacheIsStillScoredWhole()
    {
        using var reward = RewardFactory.Create(new RewardSpec { CacheSize = 1 }, () => new TextReward(text => text.Continuation.Length));

        Assert.Equal([1f, 2f, 3f], reward.Score([new("p", "a"), new("p", "bb"), new("p", "ccc")]));
    }

    private static float Score(RewardSpec spec, PromptContinuation text)
    {
        using var reward = RewardFactory.Create(spec, () => new TextReward(t => t.Continuation.Length / 100.0));
        return reward.Score([text]).Single();
    }

    private sealed class FixedReward(float[] scores) : IReward
    {
        public IReadOnlyList<float> Score(IReadOnlyList<PromptContinuation> texts) => scores;

        public void Dispose() { }
    }
}
