using DfPO.Actors.Configuration;
using DfPO.Actors.Experiments;
using DfPO.Actors.Work;
using DfPO.Learner;
using DfPO.Learner.Configuration;
using DfPO.Learner.Objectives;
using DfPO.Models;
using DfPO.Models.Policies;
using DfPO.Models.Tokenizers;
using DfPO.Tasks.Prompts;

namespace DfPO.Actors.Tests;

/// <summary>What the loop gives each kind of objective.</summary>
public sealed class ObjectiveLoopTests : LoopTests
{
    [Theory]
    [InlineData(ObjectiveKind.Grpo, 0)]
    [InlineData(ObjectiveKind.Rloo, 0)]
    [InlineData(ObjectiveKind.Dpo, 0)]
    [InlineData(ObjectiveKind.Kto, 0)]
    [InlineData(ObjectiveKind.Rloo, 1)]
    public async Task A_prompt_is_continued_several_times_in_one_unit_and_one_group(ObjectiveKind objective, int staleness)
    {
        var config = Of(objective);
        // Units of the first iteration come in after later ones, so that asynchronous batches are mixed.
        Services.Gate = (unit, _) =>
            unit.Id.Value.EndsWith("/0", StringComparison.Ordinal) && staleness > 0
                ? Task.Delay(20, CancellationToken.None)
                : Task.CompletedTask;
        await Loop(config with { Async = new AsyncOptions { MaxStaleness = staleness } }).Run(default);
        Assert.Equal(4, Services.Batches.Count);
        Assert.All(Services.Batches, batch =>
        {
            Assert.Equal(4 * 4, batch.Count);
            Assert.All(batch.GroupBy(t => t.Group), group =>
            {
                Assert.Equal(4, group.Count());
                Assert.All(group, t => Assert.Equal(group.First().PromptTokens, t.PromptTokens));
            });
        });
        var units = Services
            .Units.OfType<RolloutUnit>()
            .Where(unit => unit.Id.Value.StartsWith("train", StringComparison.Ordinal))
            .ToArray();
        Assert.All(units, unit => Assert.Equal(8, unit.Requests.Count));
        Assert.All(units, unit =>
            Assert.All(unit.Requests.Chunk(4), prompt =>
                Assert.All(prompt, request => Assert.Equal(prompt[0].PromptTokens, request.PromptTokens))
            )
        );
        Assert.All(units, unit => Assert.Equal(8, unit.Requests.Select(request => request.Seed).Distinct().Count()));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Rollouts_and_evaluations_of_an_nlpo_policy_are_masked_and_those_of_its_kl_masked_one_are_not(bool compat)
    {
        await Loop(
                Config() with
                {
                    Learner = new LearnerOptions
                    {
                        Objective = ObjectiveKind.Nlpo,
                        MinibatchSize = 4,
                        Nlpo = new NlpoOptions
                        {
                            TopP = 0.8,
                            MinTokensToKeep = 7,
                            Rl4lmsCompat = compat,
                        },
                    },
                }
            )
            .Run(default);
        var units = Services.Units.OfType<RolloutUnit>().ToArray();
        Assert.All(units, unit => Assert.Equal([299], unit.EndOfText.Ids));
        foreach (var masked in units.Where(unit => unit.Options.Policy == DecodingPolicy.Policy))
            Assert.Equal((0.8, 7), (masked.Options.MaskTopP, masked.Options.MaskMinTokens));
        foreach (var other in units.Where(unit => unit.Options.Policy != DecodingPolicy.Policy))
            Assert.Equal((1.0, 1), (other.Options.MaskTopP, other.Options.MaskMinTokens));
        Assert.Equal(["policy", "negative"], units.Select(unit => unit.Id.Value.Split('/')[1]).Distinct());
    }

    [Fact]
    public async Task A_supervised_run_rolls_out_for_evaluations_alone_and_goes_through_the_prompts_in_turn()
    {
        WithReferences("train");
        await Loop(Of(ObjectiveKind.Supervised) with { Iterations = 5 }).Run(default);
        Assert.DoesNotContain(Services.Rounds(), round => round.StartsWith("train", StringComparison.Ordinal));
        Assert.All(Services.Batches.SelectMany(batch => batch), t => Assert.True(t.IsDemonstration));
        // 5 prompts, 20 draws: each prompt comes 4 times, and both of its references sooner or later.
        Assert.Equal(
            5,
            Services
                .Batches.SelectMany(batch => batch)
                .Select(t => string.Join(' ', t.PromptTokens))
                .CountBy(prompt => prompt)
                .Count(prompt => prompt.Value == 4)
        );
        Assert.Equal(2, Services.Batches.SelectMany(batch => batch).Select(t => string.Join(' ', t.Tokens)).Distinct().Count());
        Assert.All(Observer.Iterations, report => Assert.Null(report.Rollout));
    }

    [Fact]
    public async Task A_resumed_supervised_run_learns_the_same_batches()
    {
        WithReferences("train");
        await Loop(Of(ObjectiveKind.Supervised)).Run(default);
        var whole = Services.Batches.Select(Describe).ToArray();
        Directory.Delete(Path.Combine(Root, "run"), recursive: true);
        Services.Reset();
        using var stop = new CancellationTokenSource();
        Services.BeforeLearn = _ =>
        {
            if (Services.Batches.Count == 1)
                stop.Cancel();
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Loop(Of(ObjectiveKind.Supervised)).Run(stop.Token));
        var first = Services.Batches.Select(Describe).ToArray();
        Services.Reset();
        await Loop(Of(ObjectiveKind.Supervised)).Run(default);
        Assert.Equal(whole, first.Concat(Services.Batches.Select(Describe)));
    }

    [Fact]
    public async Task A_supervised_term_gets_each_rollout_s_reference()
    {
        WithReferences("train");
        await Loop(Of(ObjectiveKind.PpoSupervised)).Run(default);
        Assert.All(Services.Batches.SelectMany(batch => batch), t =>
        {
            Assert.False(t.IsDemonstration);
            Assert.NotEmpty(t.Demonstration!);
        });
    }

    [Theory]
    [InlineData(ObjectiveKind.Supervised)]
    [InlineData(ObjectiveKind.PpoSupervised)]
    public void A_prompt_without_reference_is_told(ObjectiveKind objective)
    {
        var error = Assert.Throws<DfpoException>(() => Loop(Of(objective)));
        Assert.Equal("prompts/references", error.Code);
        Assert.Contains("'train-0'", error.Message);
    }

    [Fact]
    public async Task Given_pairs_are_groups_of_two_and_each_is_learnt_once_an_epoch()
    {
        var pairs = Path.Combine(Root, "pairs.jsonl");
        File.WriteAllLines(
            pairs,
            Enumerable.Range(0, 8).Select(i => $$"""{"prompt": "the {{i}}", "chosen": " one", "rejected": " other"}""")
        );
        var config = Of(ObjectiveKind.Dpo);
        config = config with
        {
            Iterations = 2,
            Learner = config.Learner with { Dpo = new DpoOptions { Pairs = DpoPairs.Offline } },
            Task = config.Task with { Preferences = pairs, TrainPrompts = "" },
        };
        await Loop(config).Run(default);
        Assert.All(Services.Batches, batch =>
            Assert.All(batch.GroupBy(t => t.Group), pair => Assert.Equal([1f, 0f], pair.Select(t => t.Reward)))
        );
        Assert.Equal(
            8,
            Services
                .Batches.SelectMany(batch => batch)
                .Where(t => t.Reward == 1)
                .Select(t => string.Join(' ', t.PromptTokens))
                .Distinct()
                .Count()
        );
    }

    [Theory]
    [InlineData("the film", " was good", " was good")]
    [InlineData("the film", "was good", " was good")]
    [InlineData("the film", "the film was good", " was good")]
    [InlineData("the film", ", a bore", ", a bore")]
    [InlineData("the film ", "was", "was")]
    public void A_given_continuation_begins_where_its_prompt_ends(string prompt, string text, string expected)
    {
        var (texts, tokenizer) = Texts(64);
        var tokens = texts.Continuation(prompt, text);
        Assert.Equal(tokenizer.EosTokenId, tokens[^1]);
        Assert.Equal(expected, tokenizer.DecodeContinuation(tokens));
        Assert.Equal(tokenizer.Encode(expected), tokens[..^1]);
    }

    [Fact]
    public void A_given_continuation_is_no_longer_than_a_rollout_and_may_be_nothing()
    {
        var (texts, tokenizer) = Texts(3);
        Assert.Equal(tokenizer.Encode(" a b c d")[..3], texts.Continuation("x", " a b c d"));
        Assert.Empty(texts.Continuation("the film", "the film"));
    }

    [Fact]
    public void A_demonstration_may_be_longer_than_a_rollout_and_prompts_lose_the_end_that_is_said()
    {
        var config = Config();
        var tokenizer = TextTokenizer.Load(Path.Combine(Root, "policy"));
        var generation = config.Rollout.Generation with { MaxNewTokens = 3, MinNewTokens = 0 };
        TaskTexts With(TaskOptions task) =>
            new(
                tokenizer,
                config with
                {
                    Task = task,
                    Rollout = config.Rollout with { Generation = generation },
                },
                EndOfText.Of(Path.Combine(Root, "policy"), tokenizer),
                encoderDecoder: false
            );
        var prompt = new Prompt("1", "x") { References = [" a b c d e"] };
        int[] whole = [.. tokenizer.Encode(" a b c d e"), tokenizer.EosTokenId];

        Assert.Equal(whole[..3], With(config.Task).Demonstration(prompt, 0));
        Assert.Equal(whole[..4], With(config.Task with { MaxReferenceTokens = 4 }).Demonstration(prompt, 0));
        Assert.Equal(whole, With(config.Task with { MaxReferenceTokens = 64 }).Demonstration(prompt, 0));
        Assert.Equal(whole[1..^1], With(config.Task with { MaxPromptTokens = whole.Length - 2 }).Prompt(" a b c d e"));
        Assert.Equal(
            whole[..^2],
            With(config.Task with { MaxPromptTokens = whole.Length - 2, TruncationSide = TruncationSide.Right }).Prompt(" a b c d e")
        );
    }

    private static string Describe(IReadOnlyList<Trajectory> batch) =>
        string.Join('|', batch.Select(t => $"{string.Join(' ', t.PromptTokens)}>{string.Join(' ', t.Tokens)}"));

    private (TaskTexts, TextTokenizer) Texts(int longest)
    {
        var (config, tokenizer) = (Config(), TextTokenizer.Load(Path.Combine(Root, "policy")));
        return (
            new TaskTexts(
                tokenizer,
                config with
                {
                    Rollout = config.Rollout with { Generation = config.Rollout.Generation with { MaxNewTokens = longest } },
                },
                EndOfText.Of(Path.Combine(Root, "policy"), tokenizer),
                encoderDecoder: false
            ),
            tokenizer
        );
    }

    private ExperimentConfig Of(ObjectiveKind objective)
    {
        var config = Config();
        return config with
        {
            Rollout = config.Rollout with { UnitSize = objective is ObjectiveKind.PpoSupervised ? 2 : 8 },
            Learner = new LearnerOptions
            {
                Objective = objective,
                MinibatchSize = 4,
                Grpo = new GrpoOptions { SamplesPerPrompt = 4 },
            },
        };
    }
}
