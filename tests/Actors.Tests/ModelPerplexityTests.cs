using DfPO.Actors.Configuration;
using DfPO.Actors.Evaluation;
using DfPO.Models;
using DfPO.Models.Tokenizers;
using DfPO.Tasks.Metrics;
using DfPO.Tasks.Prompts;
using TorchSharp;
using static TorchSharp.torch;

namespace DfPO.Actors.Tests;

/// <summary>Perplexities of texts under a model, against plain passes over the same tokens.</summary>
public sealed class ModelPerplexityTests
{
    private static readonly string s_gpt2 = Repository.Path("models/imdb-tiny/policy");
    private static readonly string s_t5 = Repository.Path("models/commongen-tiny/policy");

    public ModelPerplexityTests() => set_num_threads(1);

    [Fact]
    public void References_of_a_decoder_are_one_text_read_by_overlapping_windows()
    {
        var (tokenizer, prompts) = (
            TextTokenizer.Load(s_gpt2),
            Read("imdb-tiny").Select(prompt => prompt with { References = [prompt.Text] }).ToArray()
        );
        using var model = PretrainedModels.LoadLanguageModel(s_gpt2);
        var tokens = tokenizer.Encode(string.Join("\n\n", prompts.Select(prompt => prompt.Text)));
        Assert.True(tokens.Length > 3 * model.MaxPositions, $"{tokens.Length} tokens need no windows");

        // As RL4LMs' loop, with a stride of half of 256 positions: the mean of a window counts for all its targets, the very first of which
        // has nothing before it.
        var total = 0.0;
        for (var i = 0; i < tokens.Length; i += 128)
        {
            var (begin, end) = (Math.Max(i + 128 - 256, 0), Math.Min(i + 128, tokens.Length));
            var logprobs = Logprobs(model, tokens[begin..end], tokens[begin..end]);
            total -= (end - i) * logprobs[^Math.Min(end - i, logprobs.Length)..].Average();
        }
        Assert.Equal(
            Math.Exp(total / tokens.Length),
            ModelPerplexity.OfReferences(model, tokenizer, EndOfText.Of(model.Config, tokenizer), prompts),
            1e-3
        );
    }

    [Fact]
    public void References_of_an_encoder_decoder_are_given_their_prompts_and_pooled_by_tokens()
    {
        var (tokenizer, prompts) = (TextTokenizer.Load(s_t5), Read("commongen-tiny").Take(3).ToArray());
        using var model = PretrainedModels.LoadLanguageModel(s_t5);
        double[] logprobs =
        [
            .. prompts.SelectMany(prompt =>
                prompt.References.SelectMany(reference =>
                {
                    var input = tokenizer.EncodeInput(prompt.Text);
                    return Logprobs(model, input, [.. model.DecoderPrompt(input), .. tokenizer.Encode(reference), tokenizer.EosTokenId]);
                })
            ),
        ];
        Assert.Equal(
            Math.Exp(-logprobs.Average()),
            ModelPerplexity.OfReferences(model, tokenizer, EndOfText.Of(model.Config, tokenizer), prompts),
            1e-3
        );
        // It was trained on such sentences: the wrong ones are less likely.
        Assert.True(
            ModelPerplexity.OfReferences(
                model,
                tokenizer,
                EndOfText.Of(model.Config, tokenizer),
                [prompts[0] with { References = prompts[1].References }]
            )
                > 1.5 * ModelPerplexity.OfReferences(model, tokenizer, EndOfText.Of(model.Config, tokenizer), prompts[..1])
        );
    }

    [Fact]
    public void Continuations_are_given_their_prompts_and_pooled_by_tokens_and_empty_ones_are_nothing()
    {
        var tokenizer = TextTokenizer.Load(s_gpt2);
        using var model = PretrainedModels.LoadLanguageModel(s_gpt2);
        PromptContinuation[] texts = [new("The film was", " a good one, and I liked it"), new("The actors", " are"), new("Nothing", "")];
        double[] logprobs =
        [
            .. texts.SelectMany(text =>
            {
                var (prompt, whole) = (tokenizer.Encode(text.Prompt), tokenizer.Encode(text.Prompt + text.Continuation));
                return Logprobs(model, whole, whole)[(prompt.Length - 1)..];
            }),
        ];
        var judged = ModelPerplexity.OfContinuations(s_gpt2, texts);
        Assert.Equal(-logprobs.Sum(), judged.Sum(text => text.Nats), 1e-3);
        Assert.Equal(logprobs.Length, judged.Sum(text => text.Tokens));
        Assert.Equal([27, 4, 0], judged.Select(text => text.Characters));
        Assert.Equal(default, judged[2]);
        // A prompt that leaves no room loses its beginning, and of a text that leaves none only what is scored counts.
        Assert.InRange(
            ModelPerplexity.OfContinuations(s_gpt2, [new(string.Join(' ', Enumerable.Repeat("film", 400)), " film")])[0].Nats,
            0.01,
            30
        );
        var cut = ModelPerplexity.OfContinuations(s_gpt2, [new("A", string.Concat(Enumerable.Repeat(" film", 400)))])[0];
        Assert.Equal(model.MaxPositions - 1, cut.Tokens);
        Assert.InRange(cut.Characters, cut.Tokens, 5 * 400 - 1);
    }

    [Fact]
    public void A_judge_tells_perplexity_and_bits_a_character_with_intervals_over_the_prompts()
    {
        PromptContinuation[] texts =
        [
            new("The film was", " a good one"),
            new("The film was", " bad"),
            new("The actors", " are well chosen"),
            new("Nothing", ""),
        ];
        Sample[] samples = [.. texts.Select(text => new Sample(text.Prompt, text.Prompt, text.Continuation, 0))];
        var config = new ExperimentConfig
        {
            Evaluation = new() { Metrics = [EvaluationMetrics.PerplexityUnderModel], PerplexityModel = s_gpt2 },
        };
        var (figures, intervals) = EvaluationMetrics.Of(config, texts, samples);
        var judged = ModelPerplexity.OfContinuations(s_gpt2, texts);
        var nats = judged.Sum(text => text.Nats);
        Assert.Equal(Math.Exp(nats / judged.Sum(text => text.Tokens)), figures[EvaluationMetrics.PerplexityUnderModel], 1e-6);
        Assert.Equal(
            nats / Math.Log(2) / texts.Sum(text => text.Continuation.Length),
            figures[EvaluationMetrics.JudgeBitsPerCharacter],
            1e-9
        );
        Assert.Equal(figures.Keys.Order(), intervals.Keys.Order());
        Assert.All(intervals, figure => Assert.True(figure.Value.Low < figure.Value.High && figure.Value.Estimate == figures[figure.Key]));
        var nothing = EvaluationMetrics.Of(config, texts[3..], samples[3..]);
        Assert.Empty(nothing.Figures);
        Assert.Empty(nothing.Intervals);
    }

    [Fact]
    public void What_is_lacking_is_told()
    {
        using var model = PretrainedModels.LoadLanguageModel(s_gpt2);
        var error = Assert.Throws<DfpoException>(() =>
            ModelPerplexity.OfReferences(model, TextTokenizer.Load(s_gpt2), EndOfText.None, [new Prompt("a", "The film")])
        );
        Assert.Equal("metrics/needs", error.Code);
        Assert.Contains("1 of 1 prompts have no reference", error.Message);
        Assert.Equal(
            "config/perplexity-model",
            Assert.Throws<DfpoException>(() => ModelPerplexity.OfContinuations(s_t5, [new("a", "b")])).Code
        );
        var config = new ExperimentConfig { Evaluation = new() { Metrics = [EvaluationMetrics.PerplexityUnderModel] } };
        Assert.Contains(
            "evaluation.perplexity-model",
            Assert.Throws<DfpoException>(() => EvaluationMetrics.Of(config, [new("a", "b")], [new("a", "a", "b", 0)])).Message
        );
    }

    private static IReadOnlyList<Prompt> Read(string task) => PromptSet.Read(Repository.Path($"models/{task}/prompts/test.jsonl")).Prompts;

    /// <summary>Of each token but the first, in one pass.</summary>
    private static double[] Logprobs(LanguageModel model, int[] prompt, int[] sequence)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var ids = tensor(sequence.Select(id => (long)id).ToArray()).unsqueeze(0);
        var scores = nn.functional.log_softmax(model.Head(model.Hidden(model.Input(ids, [prompt]))), 2)[0];
        return [.. Enumerable.Range(1, sequence.Length - 1).Select(i => (double)scores[i - 1, sequence[i]].item<float>())];
    }
}
