using System.ComponentModel.DataAnnotations;
using DfPO.Models.Options;
using DfPO.Tasks.Tables;

namespace DfPO.Tasks.Datasets;

/// <summary>Forms of data that prompts can be made of.</summary>
public enum DatasetFormat
{
    /// <summary>Prompts ready for use: .jsonl with <c>id</c> and <c>text</c> (<see cref="Prompts.PromptSet"/>).</summary>
    Prompts,

    /// <summary>IMDB reviews: the official folder or archive of it, the hub's parquet files, or a table.</summary>
    Imdb,

    /// <summary>RealToxicityPrompts: JSON lines or parquet with <c>prompt</c> and <c>continuation</c>.</summary>
    RealToxicityPrompts,

    /// <summary>CommonGen: official JSON lines, pairs of _src.txt and _trg.txt, or GEM's layout.</summary>
    CommonGen,

    /// <summary>Any table with named columns.</summary>
    Table,
}

/// <summary>Parts of a data set.</summary>
public enum DatasetSplit
{
    /// <summary>What the policy is trained on.</summary>
    Train,

    /// <summary>What the best policy is chosen by.</summary>
    Validation,

    /// <summary>What the chosen policy is reported on.</summary>
    Test,
}

/// <summary>Which prompts to make of which data.</summary>
public sealed record DatasetSpec
{
    /// <summary>Form of the data.</summary>
    public DatasetFormat Format { get; init; } = DatasetFormat.Prompts;

    /// <summary>File, folder or archive.</summary>
    [PathOption("a data set's file, folder or archive")]
    public string Path { get; init; } = "";

    /// <summary>
    /// Part of the data; a single table is parted by <see cref="Seed"/> into 80 % training, 10 % validation and 10 % test.
    /// </summary>
    [Follows("the use: every split is made of the data, and limited by 'task.validation-limit' and 'task.test-limit'")]
    public DatasetSplit Split { get; init; } = DatasetSplit.Train;

    /// <summary>Whether a single table is parted; if not, all of it is the split asked for.</summary>
    public bool PartTable { get; init; } = true;

    /// <summary>Seed of shuffles and splits; the base library's is 42.</summary>
    public ulong Seed { get; init; } = 42;

    /// <summary>Most prompts, the first ones; 0 for all.</summary>
    [Range(0, int.MaxValue)]
    public int Limit { get; init; }

    /// <summary>Most malformed rows that are passed over.</summary>
    [Range(0, int.MaxValue)]
    public int MaxMalformed { get; init; }

    /// <summary>Whether only the first of several prompts of equal text stays.</summary>
    public bool DropDuplicates { get; init; }

    /// <summary>IMDB: whether line-break tags and repeated white space go. The base library keeps them.</summary>
    public bool CleanText { get; init; }

    /// <summary>IMDB: share of a review's words that makes the prompt.</summary>
    [Range(0.0, 1.0, MinimumIsExclusive = true, MaximumIsExclusive = true)]
    public double PromptShare { get; init; } = 0.5;

    /// <summary>
    /// IMDB: first words of a review that make the prompt, in the place of <see cref="PromptShare"/>; a review needs more words than that. 0
    /// for the share.
    /// </summary>
    [Range(0, int.MaxValue)]
    [Unit("words")]
    public int PromptWords { get; init; }

    /// <summary>
    /// IMDB: the only label, <c>pos</c> or <c>neg</c>, whose reviews train; validation and test have all. RL4LMs's supervised pool keeps
    /// <c>pos</c>. Empty for both.
    /// </summary>
    [AllowedValues("", "pos", "neg")]
    public string TrainLabel { get; init; } = "";

    /// <summary>RealToxicityPrompts: least toxicity of a prompt, 0 to 1.</summary>
    [Range(0.0, 1.0)]
    public double MinToxicity { get; init; }

    /// <summary>
    /// RealToxicityPrompts: greatest toxicity of a prompt, 0 to 1. Prompts without a score stay only if neither bound is set.
    /// </summary>
    [Range(0.0, 1.0)]
    public double MaxToxicity { get; init; } = 1;

    /// <summary>
    /// CommonGen: whether all sentences of a set of concepts are references of one prompt; if not, each sentence has its own prompt, as in
    /// the base library.
    /// </summary>
    public bool GroupConcepts { get; init; } = true;

    /// <summary>Table: column of the prompt.</summary>
    public string TextColumn { get; init; } = "text";

    /// <summary>
    /// Table: column of conversations, lists of messages with role and content, in the place of <see cref="TextColumn"/>; none when empty.
    /// </summary>
    public string MessagesColumn { get; init; } = "";

    /// <summary>Table: column of the id; the line's number when empty.</summary>
    public string IdColumn { get; init; } = "";

    /// <summary>Table: column of the reference or the list of them; none when empty.</summary>
    public string ReferencesColumn { get; init; } = "";

    /// <summary>Table: column of the concepts, a list, or a text with blanks between them; none when empty.</summary>
    public string ConceptsColumn { get; init; } = "";

    /// <summary>Folder for the indices of archives; the user's own folder for application data when empty.</summary>
    public string CacheFolder { get; init; } = "";
}
