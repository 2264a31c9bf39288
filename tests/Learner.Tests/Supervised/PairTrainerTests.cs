using DfPO.Learner.Supervised;
using DfPO.Models;
using DfPO.Models.Gpt2;

namespace DfPO.Learner.Tests.Supervised;

public sealed class PairTrainerTests
{
    private static readonly SupervisedOptions s_options = new()
    {
        Steps = 60,
        BatchSize = 6,
        BlockSize = 12,
        LearningRate = 3e-3,
        WarmupSteps = 5,
        EvaluateEvery = 30,
    };

    public PairTrainerTests() => Support.SingleThread();

    [Fact]
    public void A_reward_model_learns_which_token_is_liked_better()
    {
        using var folder = new TestFolder();
        // Higher tokens are better, whatever stands before them.
        PairTokens[] pairs =
        [
            .. Enumerable
                .Range(0, 150)
                .Select(i =>
                {
                    int Token(int at) => (int)(CounterRandom.UInt64(5, (ulong)((i * 4) + at)) % 10);
                    int least = Token(0),
                        more = 10 + Token(1);
                    return new PairTokens([Token(2), Token(3), more], [Token(3), least]);
                }),
        ];
        using var model = Scorer();
        PairTrainer.Train(model, draw => pairs[draw % 100], pairs[100..], s_options, 0.01, folder["state"], _ => { }, default);
        var figures = PairTrainer.Measure(model, pairs[100..]);
        Assert.True(figures.Right >= 48 && figures.Margin > 1, $"{figures}");
        // The centring term keeps the mean near 0, which the loss itself leaves open.
        Assert.InRange(figures.Mean, -1, 1);
    }

    [Fact]
    public void What_cannot_be_trained_is_named()
    {
        using var two = Scorer("good", "bad");
        using var one = Scorer();
        PairTokens[] pairs = [new([1], [2])];
        void Refused(Gpt2ForSequenceClassification model, double centring, PairTokens[] heldOut, string code, string word)
        {
            var error = Assert.Throws<DfpoException>(() =>
                PairTrainer.Train(model, _ => pairs[0], heldOut, s_options, centring, "unused", _ => { }, default)
            );
            Assert.Equal(code, error.Code);
            Assert.Contains(word, error.Message);
        }
        Refused(two, 0, pairs, "train/options", "2 labels");
        Refused(one, -1, pairs, "train/options", "center-rewards");
        Refused(one, double.NaN, pairs, "train/options", "center-rewards");
        Refused(one, 0, [], "train/data", "held-out");
    }

    private static Gpt2ForSequenceClassification Scorer(params string[] labels)
    {
        var model = new Gpt2ForSequenceClassification(
            new Gpt2Config
            {
                VocabSize = 20,
                NPositions = 12,
                NEmbd = 16,
                NLayer = 1,
                NHead = 2,
                Labels = labels.Length > 0 ? labels : ["reward"],
            }
        );
        model.Initialise(1);
        return model;
    }
}
