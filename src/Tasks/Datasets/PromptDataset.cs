using DfPO.Models;
using DfPO.Tasks.Prompts;
using DfPO.Tasks.Tables;

namespace DfPO.Tasks.Datasets;

/// <summary>What became of a data set's rows.</summary>
/// <param name="Prompts">Prompts of the split.</param>
/// <param name="Malformed">Rows passed over because they are malformed.</param>
/// <param name="Problems">The first few of these, with file, line and reason.</param>
/// <param name="Duplicates">Prompts whose text an earlier one of the split has.</param>
/// <param name="WithoutReferences">Prompts without a reference.</param>
public sealed record DatasetReport(int Prompts, int Malformed, IReadOnlyList<string> Problems, int Duplicates, int WithoutReferences)
{
    /// <summary>One line for a log.</summary>
    public override string ToString() =>
        $"{Prompts} prompts; {Malformed} malformed rows passed over, {Duplicates} duplicate prompts, {WithoutReferences} prompts without reference";
}

/// <summary>The prompts of a split of a task's data, and how its rows fared.</summary>
public sealed record PromptDataset(PromptSet Prompts, DatasetReport Report)
{
    /// <summary>Reads the data and makes the prompts.</summary>
    /// <exception cref="DfpoException"><c>dataset/missing</c>, <c>dataset/format</c>, <c>dataset/columns</c>, <c>dataset/malformed</c>,
    /// <c>dataset/empty</c>, <c>dataset/spec</c>, or what <see cref="PromptSet.Read"/> gives.</exception>
    public static PromptDataset Load(DatasetSpec spec)
    {
        Check(spec);
        var malformed = new MalformedRows(spec.MaxMalformed);
        IEnumerable<Prompt> prompts = spec.Format switch
        {
            DatasetFormat.Imdb => ImdbDataset.Read(spec, malformed),
            DatasetFormat.RealToxicityPrompts => ToxicityPromptsDataset.Read(spec, malformed),
            DatasetFormat.CommonGen => CommonGenDataset.Read(spec, malformed),
            DatasetFormat.Table => TableDataset.Read(spec, malformed),
            _ => PromptSet.Read(spec.Path).Prompts,
        };
        var texts = new HashSet<string>();
        var kept = new List<Prompt>();
        var duplicates = 0;
        foreach (var prompt in prompts)
        {
            var isDuplicate = !texts.Add(prompt.Text);
            if (isDuplicate)
                duplicates++;
            if (!isDuplicate || !spec.DropDuplicates)
                kept.Add(prompt);
            if (kept.Count == spec.Limit)
                break;
        }
        return kept.Count > 0
            ? new PromptDataset(
                new PromptSet(kept),
                new DatasetReport(
                    kept.Count,
                    malformed.Count,
                    malformed.First,
                    duplicates,
                    kept.Count(prompt => prompt.References.Count == 0)
                )
            )
            : throw new DfpoException(
                "dataset/empty",
                $"'{spec.Path}' gives no prompt for the split '{spec.Split}'{(malformed.Count > 0 ? $"; {malformed.Count} rows are malformed, the first: {malformed.First[0]}" : "")}."
            );
    }

    /// <summary>A seeded split of a single table's items: 80 % training, 10 % validation, 10 % test, in NumPy's shuffled order.</summary>
    internal static IEnumerable<T> Part<T>(DatasetSpec spec, IReadOnlyList<T> items)
    {
        if (!spec.PartTable)
            return items;
        int train = (int)(items.Count * 0.8),
            validation = (int)(items.Count * 0.9);
        var range = spec.Split switch
        {
            DatasetSplit.Train => ..train,
            DatasetSplit.Validation => train..validation,
            _ => validation..,
        };
        return NumpyRandom.Permutation(items.Count, spec.Seed)[range].Select(index => items[index]);
    }

    /// <summary>What a row gives, or null after it has been noted as malformed.</summary>
    internal static T? TryRow<T>(MalformedRows malformed, Func<T> read)
        where T : class
    {
        try
        {
            return read();
        }
        catch (DfpoException e) when (e.Code == "dataset/malformed")
        {
            malformed.Add(e.Message);
            return null;
        }
    }

    private static void Check(DatasetSpec spec)
    {
        var problem =
            spec.Path.Length == 0 ? "path is not set"
            : spec.PromptShare is not (> 0 and < 1) ? $"prompt-share is {spec.PromptShare} but must lie between 0 and 1"
            : spec.TrainLabel is not ("" or "pos" or "neg") ? $"train-label is '{spec.TrainLabel}' but must be pos, neg or empty"
            : spec.TrainLabel.Length > 0 && spec.Format != DatasetFormat.Imdb
                ? $"train-label is for format imdb, and the format is {spec.Format}"
            : spec.Limit < 0 || spec.MaxMalformed < 0 ? "limit and max-malformed must not be negative"
            : spec.MinToxicity > spec.MaxToxicity ? $"min-toxicity {spec.MinToxicity} is over max-toxicity {spec.MaxToxicity}"
            : null;
        if (problem is not null)
            throw new DfpoException("dataset/spec", $"Dataset: {problem}.");
    }
}
