using DfPO.Models;
using DfPO.Models.Diagnostics;
using DfPO.Rollout.Sampling;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Rollout.Scoring;

/// <summary>
/// One pass of one or two models over whole sequences, right-padded. Both models see the same batches through
/// the same kernels, so that the log-ratio of equal models is exactly 0.
/// </summary>
internal static class TeacherForcedPass
{
    // Bounds what is held at a time: hidden states of so many tokens, logits of so many of them.
    private const int TokensAtOnce = 1024;
    private const int LogitRowsAtOnce = 256;

    /// <param name="model">The policy.</param>
    /// <param name="reference">The reference; null for none.</param>
    /// <param name="sequences">Prompts and continuations.</param>
    /// <param name="drawn">What the continuations were drawn from, to be measured under the reference; null where nothing was.</param>
    public static TokenScores[] Run(
        LanguageModel model,
        LanguageModel? reference,
        IReadOnlyList<(int[] Prompt, int[] Continuation)> sequences,
        DrawnDistribution? drawn = null
    )
    {
        using var activity = DfpoTelemetry.Source.StartActivity(DfpoTelemetry.Spans.ScoreLogprobs);
        activity?.SetTag(DfpoTelemetry.Tags.InputTokens, sequences.Sum(s => (long)s.Prompt.Length + s.Continuation.Length));
        float[] Empty(int row) => new float[sequences[row].Continuation.Length];
        var scores = new TokenScores[sequences.Count];
        for (var row = 0; row < scores.Length; row++)
            scores[row] = new(Empty(row), reference is null ? [] : Empty(row), reference is null ? [] : Empty(row));

        TorchThreads.Run([
            .. Batches(sequences).Select(rows => (Action)(() => ScoreBatch(model, reference, drawn, sequences, rows, scores))),
        ]);
        return scores;
    }

    /// <summary>Rows of similar length together, so that little is spent on padding.</summary>
    private static IEnumerable<int[]> Batches(IReadOnlyList<(int[] Prompt, int[] Continuation)> sequences)
    {
        int[] order =
        [
            .. Enumerable
                .Range(0, sequences.Count)
                .Where(row => sequences[row].Continuation.Length > 0)
                .OrderByDescending(row => sequences[row].Prompt.Length + sequences[row].Continuation.Length),
        ];
        for (var start = 0; start < order.Length;)
        {
            var longest = sequences[order[start]].Prompt.Length + sequences[order[start]].Continuation.Length;
            var count = Math.Clamp(TokensAtOnce / longest, 1, order.Length - start);
            yield return order[start..(start + count)];
            start += count;
        }
    }

    private static void ScoreBatch(
        LanguageModel model,
        LanguageModel? reference,
        DrawnDistribution? drawn,
        IReadOnlyList<(int[] Prompt, int[] Continuation)> sequences,
        int[] rows,
        TokenScores[] scores
    )
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var targets = rows.SelectMany(row =>
                Enumerable.Range(0, sequences[row].Continuation.Length).Select(index => (Row: row, Index: index))
            )
            .ToArray();
        var batch = TeacherForcedBatch.Create(model, [.. rows.Select(row => sequences[row])], model.parameters().First().device);
        Tensor Hidden(LanguageModel lm) => batch.SelectStates(lm.Hidden(batch.Input));
        var worker = new Worker(model.VocabularySize, drawn);
        var hidden = Hidden(model);
        var referenceHidden = reference is null ? null : Hidden(reference);
        var maskHidden =
            drawn?.Mask is not { } mask ? null
            : ReferenceEquals(mask, reference) ? referenceHidden
            : Hidden(mask);
        var textOf = rows.ToDictionary(
            row => row,
            row => (int[])[.. model.DecoderPrompt(sequences[row].Prompt), .. sequences[row].Continuation]
        );

        for (var start = 0; start < targets.Length; start += LogitRowsAtOnce)
        {
            using var chunk = NewDisposeScope();
            var count = Math.Min(LogitRowsAtOnce, targets.Length - start);
            using var logits = new LogitRows(model.Head(hidden.narrow(0, start, count)));
            using var referenceLogits = reference is null ? null : new LogitRows(reference.Head(referenceHidden!.narrow(0, start, count)));
            using var maskLogits = maskHidden is null ? null : new LogitRows(drawn!.Mask!.Head(maskHidden.narrow(0, start, count)));
            for (var i = 0; i < count; i++)
            {
                var (row, index) = targets[start + i];
                var text = textOf[row];
                worker.Score(
                    logits,
                    referenceLogits,
                    maskLogits,
                    i,
                    text.AsSpan(0, text.Length - sequences[row].Continuation.Length + index),
                    sequences[row].Continuation[index],
                    scores[row],
                    index
                );
            }
        }
    }

    /// <summary>Scratch rows of one thread.</summary>
    private sealed class Worker(int vocabulary, DrawnDistribution? drawn)
    {
        private readonly TokenSampler? _sampler = drawn is null ? null : new(drawn.Options, vocabulary, drawn.EndOfText);
        private readonly Softmax _policy = new(vocabulary);
        private readonly Softmax _reference = new(vocabulary);
        private readonly float[] _row = new float[vocabulary];
        private readonly float[] _referenceRow = new float[vocabulary];
        private readonly float[] _maskRow = new float[drawn?.Mask is null ? 0 : vocabulary];
        private readonly float[] _ratios = new float[vocabulary];

        public void Score(
            LogitRows logits,
            LogitRows? referenceLogits,
            LogitRows? maskLogits,
            int i,
            ReadOnlySpan<int> text,
            int token,
            TokenScores scores,
            int index
        )
        {
            var row = logits.Row(i, _row);
            _policy.Load(row);
            scores.Logprobs[index] = row[token] - _policy.LogNormaliser;
            if (referenceLogits is null)
                return;
            var reference = referenceLogits.Row(i, _referenceRow);
            _reference.Load(reference);
            scores.ReferenceLogprobs[index] = reference[token] - _reference.LogNormaliser;
            KlMask.LogRatios(row, _policy.LogNormaliser, reference, _reference.LogNormaliser, _ratios);
            scores.StateKl[index] = (float)_policy.Kl(_ratios);
            if (_sampler is null)
                return;
            scores.Figures += _sampler.IsPlain(index)
                ? _policy.Against(row, reference, _reference.LogNormaliser)
                : _sampler.Measure(
                    row,
                    maskLogits is null ? default : maskLogits.Row(i, _maskRow),
                    reference,
                    _reference.LogNormaliser,
                    text,
                    index
                );
        }
    }
}
