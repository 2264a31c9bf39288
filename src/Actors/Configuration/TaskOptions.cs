using System.ComponentModel.DataAnnotations;
using DfPO.Models.Options;
using DfPO.Models.Tokenizers;
using DfPO.Tasks.Datasets;
using DfPO.Tasks.Rewards;

namespace DfPO.Actors.Configuration;

/// <summary>Prompts and reward.</summary>
public sealed record TaskOptions
{
    /// <summary>
    /// Training prompts, a .jsonl file, with <c>references</c> where the objective learns from given texts; like the two below, it goes
    /// before <see cref="Data"/>.
    /// </summary>
    [PathOption("a .jsonl file of prompts")]
    public string TrainPrompts { get; init; } = "";

    /// <summary>Prompts of model selection.</summary>
    [PathOption("a .jsonl file of prompts")]
    public string ValidationPrompts { get; init; } = "";

    /// <summary>Prompts of the before/after table.</summary>
    [PathOption("a .jsonl file of prompts")]
    public string TestPrompts { get; init; } = "";

    /// <summary>
    /// Pairs that DPO learns from with <c>learner.dpo.pairs = offline</c>: a .jsonl file with prompt, chosen and rejected.
    /// </summary>
    [PathOption("a .jsonl file with prompt, chosen and rejected")]
    public string Preferences { get; init; } = "";

    /// <summary>
    /// Data that all splits without a file of their own are made of; <see cref="DatasetSpec.Split"/> follows from the use.
    /// </summary>
    public DatasetSpec Data { get; init; } = new();

    /// <summary>Most validation prompts made of <see cref="Data"/>; 0 takes its limit.</summary>
    [Range(0, int.MaxValue)]
    public int ValidationLimit { get; init; }

    /// <summary>Most test prompts made of <see cref="Data"/>; 0 takes its limit.</summary>
    [Range(0, int.MaxValue)]
    public int TestLimit { get; init; }

    /// <summary>Longest prompt in tokens.</summary>
    [Range(1, int.MaxValue)]
    [Unit("tokens")]
    public int MaxPromptTokens { get; init; } = 64;

    /// <summary>The end that a longer prompt loses: RL4LMs cuts the beginning of IMDB's prompts, and the end of CommonGen's.</summary>
    public TruncationSide TruncationSide { get; init; } = TruncationSide.Left;

    /// <summary>
    /// Longest text in tokens that supervised learning takes of a reference; 0 for <c>rollout.generation.max-new-tokens</c>.
    /// </summary>
    [Range(0, int.MaxValue)]
    [Unit("tokens")]
    public int MaxReferenceTokens { get; init; }

    /// <summary>What rewards; the default is the classifier that the next two keys name.</summary>
    public RewardSpec Reward { get; init; } = new();

    /// <summary>Checkpoint folder of the classifier that rewards, where one does.</summary>
    [PathOption("a classifier's checkpoint folder")]
    public string RewardModel { get; init; } = "";

    /// <summary>The class whose probability is the reward.</summary>
    [MinLength(1)]
    public string RewardLabel { get; init; } = "pos";
}
