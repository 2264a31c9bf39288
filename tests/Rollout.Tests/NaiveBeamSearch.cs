using DfPO.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Rollout.Tests;

/// <summary>Beam search of one prompt as a reader would write it: whole passes, no cache, no batch, every candidate sorted.</summary>
internal static class NaiveBeamSearch
{
    public static List<(double Score, int[] Tokens)> Run(
        LanguageModel model,
        int[] prompt,
        int startLength,
        int? eos,
        GenerationOptions options
    )
    {
        var finished = new List<(double Score, int[] Tokens)>();
        var beams = new List<(double Sum, int[] Tokens)> { (0, []) };
        var done = false;
        var (text, ofText) = (startLength, options.BeamLength == BeamLength.Text);
        double Score(double sum, int newTokens) => sum / Math.Pow(ofText ? text + newTokens : newTokens, options.LengthPenalty);
        void Finish(double score, int[] tokens) =>
            finished = [.. finished.Append((Score: score, Tokens: tokens)).OrderByDescending(f => f.Score).Take(options.NumBeams)];

        for (var step = 0; step < options.MaxNewTokens && !done; step++)
        {
            var candidates = beams
                .SelectMany(beam =>
                    Logprobs(model, prompt, beam.Tokens, eos, step, options)
                        .Select((logprob, token) => (Sum: beam.Sum + logprob, Tokens: (int[])[.. beam.Tokens, token]))
                )
                .OrderByDescending(candidate => candidate.Sum)
                .Take(2 * options.NumBeams)
                .ToArray();
            foreach (var (sum, tokens) in candidates.Take(options.NumBeams).Where(c => c.Tokens[^1] == eos))
                Finish(Score(sum, ofText ? step : step + 1), tokens);
            beams = [.. candidates.Where(c => c.Tokens[^1] != eos).Take(options.NumBeams)];
            var hope = ofText ? candidates[0].Sum : beams[0].Sum;
            var best =
                options.EarlyStopping == EarlyStopping.Never && options.LengthPenalty > 0
                    ? Score(hope, options.MaxNewTokens)
                    : Score(hope, ofText ? step : step + 1);
            done = finished.Count == options.NumBeams && (options.EarlyStopping == EarlyStopping.AtOnce || finished[^1].Score >= best);
        }
        if (!done)
        {
            foreach (var (sum, tokens) in beams)
                Finish(Score(sum, tokens.Length), tokens);
        }
        return finished[..options.NumReturnSequences];
    }

    private static double[] Logprobs(LanguageModel model, int[] prompt, int[] tokens, int? eos, int step, GenerationOptions options)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var batch = TeacherForcedBatch.Create(model, [(prompt, [.. tokens, 0])], CPU);
        var logprobs = model
            .Head(batch.SelectStates(model.Hidden(batch.Input)))[-1]
            .to(ScalarType.Float64)
            .log_softmax(0)
            .data<double>()
            .ToArray();
        int[] text = [.. model.DecoderPrompt(prompt), .. tokens];
        foreach (var token in text.Distinct())
            logprobs[token] *= options.RepetitionPenalty; // a log-probability is never positive
        for (var token = 0; token < logprobs.Length; token++)
        {
            var n = options.NoRepeatNgramSize;
            int[] extended = [.. text, token];
            if (
                n > 0
                && extended.Length > n
                && Enumerable.Range(0, extended.Length - n).Any(i => extended[i..(i + n)].SequenceEqual(extended[^n..]))
            )
                logprobs[token] = double.NegativeInfinity;
            if (token == eos && step < options.MinNewTokens)
                logprobs[token] = double.NegativeInfinity;
        }
        return logprobs;
    }
}
