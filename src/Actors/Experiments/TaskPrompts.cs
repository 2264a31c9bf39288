using DfPO.Actors.Configuration;
using DfPO.Models;
using DfPO.Tasks.Datasets;
using DfPO.Tasks.Prompts;

namespace DfPO.Actors.Experiments;

/// <summary>The prompts of an experiment's splits: of a file of their own, or made of its data.</summary>
public static class TaskPrompts
{
    /// <summary>Reads a split and checks that it has what the reward compares with.</summary>
    /// <exception cref="DfpoException"><c>reward/references</c> or <c>reward/concepts</c>: prompts without them; or what reading
    /// gives.</exception>
    public static PromptSet Read(TaskOptions task, DatasetSplit split)
    {
        var file = FileOf(task, split);
        var source = file.Length > 0 ? file : task.Data.Path;
        var prompts = file.Length > 0 ? PromptSet.Read(file) : PromptDataset.Load(SpecOf(task, split)).Prompts;
        Require(prompts, !task.Reward.NeedsReferences, prompt => prompt.References.Count, "references", split, source);
        Require(prompts, !task.Reward.NeedsConcepts, prompt => prompt.Concepts.Count, "concepts", split, source);
        return prompts;
    }

    /// <summary>The split's own file; empty when it is made of the data.</summary>
    public static string FileOf(TaskOptions task, DatasetSplit split) =>
        split switch
        {
            DatasetSplit.Train => task.TrainPrompts,
            DatasetSplit.Validation => task.ValidationPrompts,
            _ => task.TestPrompts,
        };

    private static DatasetSpec SpecOf(TaskOptions task, DatasetSplit split)
    {
        var limit = split switch
        {
            DatasetSplit.Validation => task.ValidationLimit,
            DatasetSplit.Test => task.TestLimit,
            _ => 0,
        };
        return task.Data with { Split = split, Limit = limit > 0 ? limit : task.Data.Limit };
    }

    private static void Require(PromptSet prompts, bool isMet, Func<Prompt, int> count, string what, DatasetSplit split, string source)
    {
        if (!isMet && prompts.Prompts.Where(prompt => count(prompt) == 0).ToArray() is { Length: > 0 } without)
            throw new DfpoException(
                $"reward/{what}",
                $"The reward needs {what}, but {without.Length} of {prompts.Prompts.Count} {split.ToString().ToLowerInvariant()} prompts of '{source}' have none, the first being '{without[0].Id}': give each a list '{what}', or take another reward."
            );
    }
}
