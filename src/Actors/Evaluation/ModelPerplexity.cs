using DfPO.Models;
using DfPO.Models.Tokenizers;
using DfPO.Rollout.Scoring;
using DfPO.Tasks.Metrics;
using DfPO.Tasks.Prompts;

namespace DfPO.Actors.Evaluation;

/// <summary>
/// The two perplexities that need a model at hand: of a task's references under the policy, and of continuations under any model.
/// </summary>
public static class ModelPerplexity
{
    private const int Stride = 512;

    /// <summary>Perplexity of the prompts' references under a policy.</summary>
    /// <remarks>
    /// Decoder-only: as RL4LMs' <c>causal_perplexity</c>, all references as one text by windows (<see cref="SlidingPerplexity"/>), a stride
    /// of 512 or half of the model's positions where those are fewer. Encoder-decoder, where RL4LMs has none: of each reference and its end
    /// given its prompt, pooled over the tokens.
    /// </remarks>
    /// <param name="policy">The policy.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="endOfText">Tokens that end its texts.</param>
    /// <param name="prompts">Prompts with references.</param>
    /// <returns>At least 1; NaN where there is nothing to predict.</returns>
    /// <exception cref="DfpoException"><c>metrics/needs</c>: a prompt has no reference.</exception>
    public static double OfReferences(LanguageModel policy, TextTokenizer tokenizer, EndOfText endOfText, IReadOnlyList<Prompt> prompts)
    {
        RequireReferences(prompts);
        if (policy.Config.IsEncoderDecoder)
            return Pooled(
                policy,
                [
                    .. prompts.SelectMany(prompt =>
                        prompt.References.Select(text =>
                            (ChatPrompts.Encode(tokenizer, prompt), (int[])[.. tokenizer.Encode(text), .. endOfText.Ids.Take(1)])
                        )
                    ),
                ]
            );
        var tokens = tokenizer.Encode(string.Join(SlidingPerplexity.Separator, prompts.SelectMany(prompt => prompt.References)));
        return tokens.Length < 2
            ? double.NaN
            : SlidingPerplexity.Of(
                tokens,
                policy.MaxPositions,
                MeanNegativeLogLikelihood,
                Math.Min(Stride, Math.Max(1, policy.MaxPositions / 2))
            );

        double MeanNegativeLogLikelihood(ReadOnlyMemory<int> window, int targets)
        {
            var seen = Math.Max(1, window.Length - targets);
            return -SequenceScorer
                .Logprobs(policy, [(window[..seen].ToArray(), window[seen..].ToArray())])[0]
                .DefaultIfEmpty()
                .Average(x => (double)x);
        }
    }

    /// <summary>Refuses prompts that have nothing to be likely, before any work is done.</summary>
    /// <exception cref="DfpoException"><c>metrics/needs</c>: a prompt has no reference.</exception>
    public static void RequireReferences(IReadOnlyList<Prompt> prompts)
    {
        if (prompts.Count(prompt => prompt.References.Count == 0) is > 0 and var lacking)
            throw new DfpoException(
                "metrics/needs",
                $"The metric '{EvaluationMetrics.ReferencePerplexity}' cannot be computed: {lacking} of {prompts.Count} prompts have no reference."
            );
    }

    /// <summary>
    /// How likely the model of a checkpoint folder, which has a tokenizer of its own, finds continuations, each given its prompt.
    /// </summary>
    /// <param name="folder">A decoder-only checkpoint.</param>
    /// <param name="texts">Prompts and continuations.</param>
    /// <returns>One a text; of an empty continuation nothing, 0.</returns>
    /// <exception cref="DfpoException"><c>config/perplexity-model</c>: an encoder-decoder; or what is wrong with the folder.</exception>
    public static IReadOnlyList<JudgedText> OfContinuations(string folder, IReadOnlyList<PromptContinuation> texts)
    {
        RequireDecoderOnly(folder);
        var tokenizer = TextTokenizer.Load(folder);
        using var model = PretrainedModels.LoadLanguageModel(folder);
        tokenizer.CheckFits(model.VocabularySize);
        var tokens = texts.Select(text => Tokens(text.Prompt, text.Continuation)).ToArray();
        var logprobs = SequenceScorer.Logprobs(model, [.. tokens.Select(text => (text.Prompt, text.Continuation))]);
        return
        [
            .. tokens.Zip(logprobs, (text, scores) =>
                new JudgedText(-scores.Sum(x => (double)x), text.Continuation.Length, text.Characters)
            ),
        ];

        (int[] Prompt, int[] Continuation, int Characters) Tokens(string prompt, string continuation)
        {
            var (first, whole) = (tokenizer.Encode(prompt), tokenizer.Encode(prompt + continuation));
            var rest = whole.AsSpan().StartsWith(first) ? whole[first.Length..] : tokenizer.Encode(continuation);
            var judged = continuation;
            if (rest.Length > model.MaxPositions - 1)
            {
                rest = rest[..(model.MaxPositions - 1)];
                judged = tokenizer.DecodeContinuation(rest);
            }
            return (
                first.Length == 0 ? [tokenizer.EosTokenId] : first[^Math.Min(first.Length, model.MaxPositions - rest.Length)..],
                rest,
                judged.EnumerateRunes().Count()
            );
        }
    }

    /// <summary>Refuses a checkpoint that has no likelihood of a text as a continuation of another.</summary>
    /// <exception cref="DfpoException"><c>config/perplexity-model</c>; or what is wrong with the folder.</exception>
    public static void RequireDecoderOnly(string folder)
    {
        if (PretrainedModels.ReadConfig(folder).IsEncoderDecoder)
            throw new DfpoException(
                "config/perplexity-model",
                $"'evaluation.perplexity-model' is '{folder}', an encoder-decoder, under which a text has no likelihood as the continuation of another: name a decoder-only model, such as GPT-2."
            );
    }

    private static double Pooled(LanguageModel model, IReadOnlyList<(int[] Prompt, int[] Continuation)> sequences) =>
        Math.Exp(
            -SequenceScorer
                .Logprobs(model, sequences)
                .SelectMany(scores => scores)
                .Select(x => (double)x)
                .DefaultIfEmpty(double.NaN)
                .Average()
        );
}

/// <summary>How likely a judge finds a text.</summary>
/// <param name="Nats">Its negative log-likelihood.</param>
/// <param name="Tokens">The judge's tokens of it.</param>
/// <param name="Characters">Its Unicode characters, which judges with other tokenizers agree on.</param>
public readonly record struct JudgedText(double Nats, int Tokens, int Characters);
