using DfPO.Learner.Supervised;
using DfPO.Models;
using DfPO.Models.Gpt2;

namespace DfPO.Learner.Tests.Supervised;

public sealed class SupervisedTrainerTests
{
    private const string Text = "the quick brown fox jumps over the lazy dog ";
    private static readonly SupervisedOptions s_options = new()
    {
        Steps = 24,
        BatchSize = 4,
        BlockSize = 16,
        LearningRate = 5e-3,
        WarmupSteps = 4,
        EvaluateEvery = 8,
        Seed = 3,
    };

    [Fact]
    public void A_language_model_learns_a_text_that_repeats()
    {
        using var folder = new TestFolder();
        using var model = Support.TinyPolicy();
        var (stream, reports) = (Stream(), new List<TrainingProgress>());
        var before = LanguageModelTrainer.CrossEntropy(model, stream, 16, 4);
        LanguageModelTrainer.Train(model, stream, stream, s_options with { Steps = 80 }, folder["run"], reports.Add, default);
        var after = LanguageModelTrainer.CrossEntropy(model, stream, 16, 4);
        Assert.True(after < before / 3, $"{before} -> {after}");
        Assert.Equal(after, reports[^1].HeldOut!.Value, 1e-6);
        Assert.Equal(80, reports[^1].Step);
    }

    [Fact]
    public void A_training_cancelled_and_resumed_ends_with_the_same_bits()
    {
        using var folder = new TestFolder();
        var stream = Stream();
        using var whole = Support.TinyPolicy();
        LanguageModelTrainer.Train(whole, stream, stream, s_options, folder["whole"], _ => { }, default);

        using var first = Support.TinyPolicy();
        using var source = new CancellationTokenSource();
        Assert.ThrowsAny<OperationCanceledException>(() =>
            LanguageModelTrainer.Train(
                first,
                stream,
                stream,
                s_options,
                folder["parts"],
                progress =>
                {
                    if (progress.Step == 8)
                        source.Cancel();
                },
                source.Token
            )
        );
        using var second = Support.TinyPolicy(40);
        var steps = new List<int>();
        LanguageModelTrainer.Train(second, stream, stream, s_options, folder["parts"], progress => steps.Add(progress.Step), default);
        Assert.Equal(16, steps[0]);
        Assert.Equal(Support.Bytes(whole), Support.Bytes(second));
    }

    [Fact]
    public void A_checkpoint_made_with_other_options_is_refused()
    {
        using var folder = new TestFolder();
        var stream = Stream();
        using var model = Support.TinyPolicy();
        LanguageModelTrainer.Train(model, stream, stream, s_options with { Steps = 8 }, folder["run"], _ => { }, default);
        var error = Assert.Throws<DfpoException>(() =>
            LanguageModelTrainer.Train(model, stream, stream, s_options with { Steps = 8, BatchSize = 5 }, folder["run"], _ => { }, default)
        );
        Assert.Equal("train/resume", error.Code);
    }

    [Fact]
    public void A_text_shorter_than_a_block_and_a_block_longer_than_the_model_are_named()
    {
        using var model = Support.TinyPolicy();
        var shortStream = TokenStream.Encode(["ab"], Encode, 28);
        Assert.Equal(
            "train/data",
            Assert
                .Throws<DfpoException>(() =>
                    LanguageModelTrainer.Train(model, Stream(), shortStream, s_options, "unused", _ => { }, default)
                )
                .Code
        );
        Assert.Equal(
            "train/options",
            Assert
                .Throws<DfpoException>(() =>
                    LanguageModelTrainer.Train(model, Stream(), Stream(), s_options with { BlockSize = 99 }, "unused", _ => { }, default)
                )
                .Code
        );
    }

    [Fact]
    public void A_classifier_learns_whether_a_text_holds_a_token_and_resumes_bit_for_bit()
    {
        using var folder = new TestFolder();
        var examples = Enumerable
            .Range(0, 200)
            .Select(i =>
            {
                // Every text ends with the tell-tale or without it.
                int[] tokens =
                [
                    .. Enumerable.Range(0, 3 + i % 5).Select(t => (int)(CounterRandom.UInt64(5, (ulong)(i * 10 + t)) % 20)),
                    i % 2 == 0 ? 25 : 21,
                ];
                return new LabeledTokens(tokens, i % 2);
            })
            .ToArray();
        var options = s_options with { Steps = 40, BatchSize = 8, EvaluateEvery = 20 };
        var model = Classifier(1);
        var reports = new List<TrainingProgress>();
        LabeledTokens Draw(ulong draw) => examples[draw % 150];
        ClassifierTrainer.Train(model, Draw, examples[150..], options, folder["whole"], reports.Add, default);
        Assert.True(reports[^1].HeldOut > 0.95, $"{reports[^1].HeldOut}");

        using var source = new CancellationTokenSource();
        Assert.ThrowsAny<OperationCanceledException>(() =>
            ClassifierTrainer.Train(
                Classifier(1),
                Draw,
                examples[150..],
                options,
                folder["parts"],
                progress =>
                {
                    if (progress.Step == 20)
                        source.Cancel();
                },
                source.Token
            )
        );
        var resumed = Classifier(9);
        ClassifierTrainer.Train(resumed, Draw, examples[150..], options, folder["parts"], _ => { }, default);
        Assert.Equal(Support.Bytes(model), Support.Bytes(resumed));
        var error = Assert.Throws<DfpoException>(() =>
            ClassifierTrainer.Train(
                resumed,
                Draw,
                examples[150..],
                options with
                {
                    Examples = "other pieces",
                },
                folder["parts"],
                _ => { },
                default
            )
        );
        Assert.Equal("train/resume", error.Code);
    }

    [Fact]
    public void A_stream_ends_every_document_and_cuts_blocks_with_their_targets()
    {
        var stream = TokenStream.Encode(["ab c", "d"], Encode, 28);
        Assert.Equal(7, stream.Count);
        Assert.Equal(3, stream.Words);
        Assert.Equal([.. Encode("ab c"), 28, .. Encode("d"), 28], stream.Block(0, 6).ToArray());
        Assert.Equal(Encode("b c"), stream.Block(1, 2).ToArray());
    }

    private static Gpt2ForSequenceClassification Classifier(ulong seed)
    {
        var model = new Gpt2ForSequenceClassification(
            new Gpt2Config
            {
                VocabSize = 29,
                NPositions = 24,
                NEmbd = 32,
                NLayer = 2,
                NHead = 2,
                Labels = ["neg", "pos"],
            }
        );
        model.Initialise(seed);
        return model;
    }

    private static TokenStream Stream() => TokenStream.Encode([string.Concat(Enumerable.Repeat(Text, 12))], Encode, 28);

    /// <summary>a to z are 0 to 25, everything else 26.</summary>
    private static int[] Encode(string text) => [.. text.Select(c => c is >= 'a' and <= 'z' ? c - 'a' : 26)];
}
