using DfPO.Actors.Configuration;
using DfPO.Actors.Evaluation;
using DfPO.Actors.Experiments;
using DfPO.Learner.Configuration;
using DfPO.Models;
using DfPO.Tasks.Datasets;
using DfPO.Tasks.Rewards;

namespace DfPO.Host.Configuration;

/// <summary>Checks of an experiment's data, reward and metrics: options that their kinds need, and files that must exist.</summary>
internal static class TaskValidation
{
    private static readonly (DatasetSplit Split, string Key)[] s_splits =
    [
        (DatasetSplit.Train, "task.train-prompts"),
        (DatasetSplit.Validation, "task.validation-prompts"),
        (DatasetSplit.Test, "task.test-prompts"),
    ];

    /// <exception cref="DfpoException"><c>config/path</c>, <c>config/reward</c>, <c>config/range</c> or <c>config/conflict</c>.</exception>
    public static void Check(ExperimentConfig config)
    {
        var pairs = ObjectiveRegistry.Traits(config.Learner) is { SamplesPerPrompt: 0, NeedsDemonstrations: false };
        if (pairs)
            Required(config.Task.Preferences, "task.preferences", "a .jsonl file of pairs, each with prompt, chosen and rejected");
        if (pairs)
            Exists(config.Task.Preferences, "task.preferences", "a .jsonl file of pairs, each with prompt, chosen and rejected");
        Data(config.Task, pairs);
        Reward(config.Task.Reward, config.Task);
        Endpoint(config);
        Evaluation(config);
    }

    private static void Data(TaskOptions task, bool pairs)
    {
        foreach (var (split, key) in s_splits.Where(entry => entry.Split != DatasetSplit.Train || !pairs))
            if (TaskPrompts.FileOf(task, split) is { Length: > 0 } file)
                Exists(file, key, "a .jsonl file of prompts");
            else if (task.Data.Path.Length == 0)
                throw new DfpoException(
                    "config/path",
                    $"'{key}' is not set: give the path of a .jsonl file of prompts, or data that all splits are made of by 'task.data.path'."
                );
        if (task.Data.Path.Length == 0)
            return;
        Exists(task.Data.Path, "task.data.path", "the data that prompts are made of");
        if (task.Data.Format == DatasetFormat.Prompts && s_splits.Any(split => TaskPrompts.FileOf(task, split.Split).Length == 0))
            throw new DfpoException(
                "config/conflict",
                "'task.data.format' is 'prompts', a file that has no splits: name a file for each split by 'task.train-prompts', 'task.validation-prompts' and 'task.test-prompts', or another format."
            );
    }

    private static void Reward(RewardSpec reward, TaskOptions task)
    {
        if (reward.Kind == RewardKind.Combination && (reward.Terms.Count == 0 || reward.Terms.Contains(RewardKind.Combination)))
            throw Wrong("terms", "is empty, or holds a combination", "kinds to add up, such as [meteor, repeat-penalty]");
        if (reward.Weights.Count > 0 && reward.Weights.Count != reward.Terms.Count)
            throw Wrong("weights", $"has {reward.Weights.Count} numbers for {reward.Terms.Count} terms", "one a term, or none");
        if (reward.Uses(RewardKind.Classifier))
        {
            Required(task.RewardModel, "task.reward-model", "the path of a classifier's checkpoint folder");
            if (!Directory.Exists(task.RewardModel))
                throw new DfpoException(
                    "config/path",
                    $"'task.reward-model' is '{task.RewardModel}', which does not exist: give the path of a classifier's checkpoint folder."
                );
        }
        foreach (
            var (kinds, option, value, what) in new[]
            {
                (
                    (RewardKind[])[RewardKind.Meteor, RewardKind.Coverage],
                    "word-net",
                    reward.WordNet,
                    $"WordNet's folder or archive, or '{RewardFiles.None}' to do without"
                ),
                ([RewardKind.Cider], "cider-corpus", reward.CiderCorpus, "a prompts file with references"),
                ([RewardKind.Vader], "lexicon", reward.Lexicon, "vader_lexicon.txt"),
                ([RewardKind.NonToxicity], "toxicity-model", reward.ToxicityModel, "a toxicity regressor, such as models/toxicity-tiny"),
                ([RewardKind.Http], "endpoint.url", reward.Endpoint.Url, "the address that scores are asked from"),
                ([RewardKind.Plugin], "plugin-assembly", reward.PluginAssembly, "a .dll"),
            }
        )
            if (reward.Uses(kinds))
                Required(value, $"task.reward.{option}", what);
        foreach (var (option, path) in RewardFiles.All(reward))
            Exists(path, $"task.reward.{option}", "an existing file or folder");
    }

    /// <summary>A unit that is handed out again while an endpoint is still being asked would be paid for twice.</summary>
    private static void Endpoint(ExperimentConfig config)
    {
        var (endpoint, rollout) = (config.Task.Reward.Endpoint, config.Rollout);
        if (!config.Task.Reward.Uses(RewardKind.Http))
            return;
        var requests = (rollout.UnitSize + endpoint.BatchSize - 1) / endpoint.BatchSize;
        if (endpoint.Timeout * requests >= rollout.UnitTimeout)
            throw new DfpoException(
                "config/conflict",
                $"'rollout.unit-timeout' ({OptionValues.Write(rollout.UnitTimeout)}) must be longer than the reward's endpoint may take for a unit: {requests} requests of up to {OptionValues.Write(endpoint.Timeout)}"
                    + " ('task.reward.endpoint.timeout')."
            );
    }

    private static void Evaluation(ExperimentConfig config)
    {
        var evaluation = config.Evaluation;
        foreach (var metric in evaluation.Metrics)
            if (!EvaluationMetrics.Names.Contains(metric))
                throw new DfpoException(
                    "config/range",
                    $"'evaluation.metrics' names '{metric}', but must choose among {string.Join(", ", EvaluationMetrics.Names)}."
                );
        if (evaluation.Metrics.Contains(EvaluationMetrics.Toxicity) && !EvaluationMetrics.TellsToxicity(config.Task.Reward))
            throw new DfpoException(
                "config/conflict",
                "'evaluation.metrics' names 'toxicity', which is told from rewards of kind non-toxicity or perspective: set 'task.reward.kind' to one of them, or leave the metric out."
            );
        var data = EvaluationMetrics.Options(config);
        foreach (
            var (metric, option, value, what) in new[]
            {
                ("meteor", "word-net", data.WordNet, $"WordNet's folder or archive, or '{RewardFiles.None}' to do without synonyms"),
                ("vader", "lexicon", data.Lexicon, "vader_lexicon.txt"),
                ("spice", "spice-jar", data.SpiceJar, "spice-1.0.jar of SPICE's authors, without which there is no SPICE"),
                ("bert-score", "bert-score-model", data.BertScoreModel, "the checkpoint folder of an encoder, such as roberta-large"),
                (
                    EvaluationMetrics.PerplexityUnderModel,
                    "perplexity-model",
                    evaluation.PerplexityModel,
                    "the checkpoint folder of a decoder-only model, such as gpt2"
                ),
            }
        )
            if (evaluation.Metrics.Contains(metric))
                Required(value, $"evaluation.{option}", what);
        if (evaluation.WordNet is { Length: > 0 } and not RewardFiles.None)
            Exists(evaluation.WordNet, "evaluation.word-net", "WordNet's folder or archive");
        if (evaluation.Lexicon.Length > 0)
            Exists(evaluation.Lexicon, "evaluation.lexicon", "vader_lexicon.txt");
        if (evaluation.SpiceJar.Length > 0)
            Exists(evaluation.SpiceJar, "evaluation.spice-jar", "SPICE's program");
        if (evaluation.BertScoreModel.Length > 0)
            Exists(evaluation.BertScoreModel, "evaluation.bert-score-model", "the encoder's checkpoint folder");
        if (evaluation.PerplexityModel.Length > 0)
        {
            Exists(evaluation.PerplexityModel, "evaluation.perplexity-model", "a decoder-only model's checkpoint folder");
            ModelPerplexity.RequireDecoderOnly(evaluation.PerplexityModel);
        }
        if (evaluation.Generation is { NumReturnSequences: > 1 })
            throw new DfpoException(
                "config/conflict",
                "'evaluation.generation.num-return-sequences' must be 1: several continuations of a prompt are asked for by 'evaluation.samples-per-prompt'."
            );
    }

    private static void Required(string value, string key, string what)
    {
        if (value.Length == 0)
            throw new DfpoException("config/path", $"'{key}' is not set: give {what}.");
    }

    private static void Exists(string path, string key, string what)
    {
        if (!File.Exists(path) && !Directory.Exists(path))
            throw new DfpoException("config/path", $"'{key}' is '{path}', which does not exist: give the path of {what}.");
    }

    private static DfpoException Wrong(string option, string problem, string rule) =>
        new("config/reward", $"'task.reward.{option}' {problem}: it must be {rule}.");
}
