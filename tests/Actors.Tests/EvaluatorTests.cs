using DfPO.Actors.Configuration;
using DfPO.Actors.Evaluation;
using DfPO.Learner.Objectives;
using DfPO.Models;
using DfPO.Models.Policies;
using DfPO.Rollout;
using DfPO.Tasks.Metrics;
using DfPO.Tasks.Prompts;

namespace DfPO.Actors.Tests;

public sealed class EvaluatorTests
{
    private static readonly Prompt[] s_prompts = [new("a", "one") { References = [" two"] }, new("b", "three") { References = [" four"] }];
    private static readonly ExperimentConfig s_likelihood = new()
    {
        Evaluation = new() { Metrics = [EvaluationMetrics.ReferencePerplexity] },
    };

    [Fact]
    public async Task Every_prompt_is_continued_so_often_in_the_prompts_order_and_its_samples_are_one_cluster()
    {
        var policy = new Fake();

        var figures = await new Evaluator(new()).Evaluate(policy, s_prompts, 2, new(), TestContext.Current.CancellationToken);

        Assert.Equal(["a", "b", "a", "b"], figures.Samples.Select(sample => sample.PromptId));
        Assert.Equal([0, 1, 2, 3], figures.Samples.Select(sample => sample.Reward));
        Assert.Equal(GenerationMetrics.Compute(figures.Samples), figures.Metrics);
        Assert.Equal(FigureIntervals.Of(figures.Samples), figures.Intervals);
        Assert.Empty(figures.Texts);
        Assert.Equal((2, 3.0, 0.5), (figures.Samples[0].Tokens, figures.Samples[0].DrawnCrossEntropy, figures.Samples[0].PolicyKl));
    }

    [Theory]
    [InlineData(DecodingPolicy.Policy, true)]
    [InlineData(DecodingPolicy.Negative, false)]
    [InlineData(DecodingPolicy.Positive, false)]
    public async Task The_likelihood_of_given_texts_is_a_figure_of_the_policy_alone(DecodingPolicy decoding, bool told)
    {
        var figures = await new Evaluator(s_likelihood).Evaluate(
            new Fake(),
            s_prompts,
            1,
            new() { Policy = decoding },
            TestContext.Current.CancellationToken
        );
        Assert.Equal(told, figures.Texts.TryGetValue(EvaluationMetrics.ReferencePerplexity, out var perplexity) && perplexity == 7);
    }

    [Fact]
    public async Task Prompts_without_references_are_refused_before_anything_is_drawn()
    {
        var policy = new Fake();
        var error = await Assert.ThrowsAsync<DfpoException>(() =>
            new Evaluator(s_likelihood).Evaluate(policy, [.. s_prompts, new("c", "five")], 1, new(), TestContext.Current.CancellationToken)
        );
        Assert.Equal("metrics/needs", error.Code);
        Assert.False(policy.HasDrawn);
    }

    [Fact]
    public void A_policy_under_a_kl_mask_is_sampled_and_under_no_other_mask()
    {
        var (options, mask) = (new GenerationOptions { NumBeams = 4 }, new MaskPolicyTraits(0.9, 5, 1, HeldByLearner: true));

        Assert.Equal(options with { Policy = DecodingPolicy.Negative, NumBeams = 1 }, options.Under(DecodingPolicy.Negative, mask));
        Assert.Equal(options with { MaskTopP = 0.9, MaskMinTokens = 5 }, options.Under(DecodingPolicy.Policy, mask));
        Assert.Equal(options, options.Under(DecodingPolicy.Policy, null));
    }

    /// <summary>Continues every prompt with two tokens and rewards the first with 0, the second with 1, and so on.</summary>
    private sealed class Fake : IEvaluatedPolicy
    {
        public bool HasDrawn { get; private set; }

        public Task<RewardedContinuations> Continue(
            IReadOnlyList<Prompt> prompts,
            GenerationOptions decoding,
            CancellationToken cancellation
        )
        {
            HasDrawn = true;
            var sequence = new GeneratedSequence
            {
                PromptTokens = [1],
                Tokens = [2, 3],
                Logprobs = [-1, -1],
                ReferenceLogprobs = [-1, -2],
                StateKl = [0.25f, 0.25f],
                Figures = new(2, 1),
            };
            Continuation[] continuations = [.. prompts.Select(prompt => new Continuation(prompt, " more words", sequence))];
            return Task.FromResult(new RewardedContinuations(continuations, [.. prompts.Select((_, i) => (float)i)]));
        }

        public Task<double?> ReferencePerplexity(IReadOnlyList<Prompt> prompts, CancellationToken cancellation) =>
            Task.FromResult<double?>(7);
    }
}
