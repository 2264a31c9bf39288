using DfPO.Learner.Supervised;
using DfPO.Models;
using DfPO.Models.T5;

namespace DfPO.Learner.Tests.Supervised;

public sealed class Seq2SeqTrainerTests
{
    private const int Eos = 1;
    private static readonly SupervisedOptions s_options = new()
    {
        Steps = 24,
        BatchSize = 8,
        BlockSize = 8,
        LearningRate = 1e-2,
        WarmupSteps = 4,
        EvaluateEvery = 8,
        Seed = 3,
    };

    // The first token of the source, then the end: sources and targets of several lengths.
    private static readonly SourceTarget[] s_pairs =
    [
        .. Enumerable
            .Range(0, 32)
            .Select(i => new SourceTarget(
                [2 + i % 6, .. Enumerable.Repeat(8 + i / 6 % 2, i % 3), Eos],
                i % 2 == 0 ? [2 + i % 6, Eos] : [2 + i % 6, 2 + i % 6, Eos]
            )),
    ];

    [Fact]
    public void A_model_learns_what_a_source_becomes()
    {
        using var folder = new TestFolder();
        using var model = Tiny(1);
        var reports = new List<TrainingProgress>();
        var before = Seq2SeqTrainer.CrossEntropy(model, s_pairs, 8, 8);
        Seq2SeqTrainer.Train(model, s_pairs, s_pairs, s_options with { Steps = 120 }, folder["run"], reports.Add, default);
        var after = Seq2SeqTrainer.CrossEntropy(model, s_pairs, 8, 8);
        Assert.True(after < before / 3, $"{before} -> {after}");
        Assert.Equal(after, reports[^1].HeldOut!.Value, 1e-6);
    }

    [Fact]
    public void Padding_does_not_change_a_pair_s_loss()
    {
        using var model = Tiny(1);
        var alone =
            s_pairs.Take(6).Sum(pair => Seq2SeqTrainer.CrossEntropy(model, [pair], 8, 1) * pair.Target.Length)
            / s_pairs.Take(6).Sum(pair => pair.Target.Length);
        Assert.Equal(alone, Seq2SeqTrainer.CrossEntropy(model, s_pairs, 8, 6, maxPairs: 6), 1e-5);
    }

    [Fact]
    public void A_training_cancelled_and_resumed_ends_with_the_same_bits()
    {
        using var folder = new TestFolder();
        using var whole = Tiny(1);
        Seq2SeqTrainer.Train(whole, s_pairs, s_pairs, s_options, folder["whole"], _ => { }, default);

        using var first = Tiny(1);
        using var source = new CancellationTokenSource();
        Assert.ThrowsAny<OperationCanceledException>(() =>
            Seq2SeqTrainer.Train(
                first,
                s_pairs,
                s_pairs,
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
        using var second = Tiny(2);
        Seq2SeqTrainer.Train(second, s_pairs, s_pairs, s_options, folder["parts"], _ => { }, default);
        Assert.Equal(Support.Bytes(whole), Support.Bytes(second));
    }

    [Fact]
    public void A_pair_without_a_target_is_refused()
    {
        using var model = Tiny(1);
        Assert.Equal(
            "train/data",
            Assert
                .Throws<DfpoException>(() =>
                    Seq2SeqTrainer.Train(model, [new([2, Eos], [])], s_pairs, s_options, "unused", _ => { }, default)
                )
                .Code
        );
    }

    private static T5ForConditionalGeneration Tiny(ulong seed)
    {
        var model = new T5ForConditionalGeneration(
            new T5Config
            {
                VocabSize = 10,
                DModel = 16,
                DKv = 8,
                DFf = 32,
                NumHeads = 2,
                NumLayers = 1,
                NumDecoderLayers = 1,
                EosTokenId = Eos,
                PadTokenId = 0,
                DecoderStartTokenId = 0,
            }
        );
        model.Initialise(seed);
        return model;
    }
}
