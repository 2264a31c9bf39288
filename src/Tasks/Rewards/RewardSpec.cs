using System.ComponentModel.DataAnnotations;
using DfPO.Models.Options;

namespace DfPO.Tasks.Rewards;

/// <summary>Rewards that an experiment can name.</summary>
public enum RewardKind
{
    /// <summary>Probability of a label under a sequence classifier.</summary>
    Classifier,

    /// <summary>METEOR against the best reference, [0, 1].</summary>
    Meteor,

    /// <summary>ROUGE F1 against the best reference, [0, 1].</summary>
    Rouge,

    /// <summary>Smoothed sentence BLEU-4 against the references, [0, 1].</summary>
    Bleu,

    /// <summary>CIDEr-D against the references, about [0, 10].</summary>
    Cider,

    /// <summary>Share of the concepts used, [0, 1].</summary>
    Coverage,

    /// <summary>
    /// -1 where the continuation repeats the prompt instead of using its concepts (the base library's shaping for CommonGen), else 0.
    /// </summary>
    RepeatPenalty,

    /// <summary>VADER's compound sentiment, [-1, 1].</summary>
    Vader,

    /// <summary>1 - toxicity by the hashed n-gram regressor, [0, 1].</summary>
    NonToxicity,

    /// <summary>1 - toxicity by the Perspective API, [0, 1].</summary>
    Perspective,

    /// <summary>Form of the continuation: length, a whole sentence at the end, no lists, no forbidden words, [0, 1].</summary>
    Form,

    /// <summary>Scores of an HTTP endpoint.</summary>
    Http,

    /// <summary>A class of the user's own assembly.</summary>
    Plugin,

    /// <summary>Weighted sum of other kinds.</summary>
    Combination,
}

/// <summary>Which text a reward reads.</summary>
public enum RewardScope
{
    /// <summary>The continuation alone.</summary>
    Continuation,

    /// <summary>Prompt and continuation as one text.</summary>
    Whole,
}

/// <summary>
/// A reward as an experiment names it. Options that the kind does not use are ignored; a combination shares them among its terms.
/// </summary>
public sealed record RewardSpec
{
    /// <summary>What kind of reward.</summary>
    public RewardKind Kind { get; init; } = RewardKind.Classifier;

    /// <summary>Combination: the kinds that are added up.</summary>
    public IReadOnlyList<RewardKind> Terms { get; init; } = [];

    /// <summary>Combination: a factor a term, in the same order; all 1 when empty.</summary>
    public IReadOnlyList<double> Weights { get; init; } = [];

    /// <summary>
    /// Classifier: whether the probability of the label is the reward, or its score, as of a model trained on preferences.
    /// </summary>
    public ClassifierOutput ClassifierOutput { get; init; } = ClassifierOutput.Probability;

    /// <summary>What VADER and the toxicity rewards read; the published set-ups score the continuation alone.</summary>
    public RewardScope Scope { get; init; } = RewardScope.Continuation;

    /// <summary>Texts whose scores are kept, so that equal texts are scored once; 0 keeps none.</summary>
    [Range(0, int.MaxValue)]
    public int CacheSize { get; init; }

    /// <summary>
    /// METEOR: folder or archive of WordNet, or <c>none</c> to do without synonyms. Coverage: likewise, for irregular forms.
    /// </summary>
    [PathOption("WordNet's folder or archive", Except = RewardFiles.None)]
    public string WordNet { get; init; } = "";

    /// <summary>
    /// METEOR: whether references are read as the base library reads them by mistake (<see cref="Metrics.Meteor.PythonList"/>).
    /// </summary>
    public bool Rl4lmsCompat { get; init; }

    /// <summary>ROUGE: <c>rouge1</c>, <c>rouge2</c>, <c>rougeL</c> or <c>rougeLsum</c>.</summary>
    [AllowedValues("rouge1", "rouge2", "rougeL", "rougeLsum")]
    public string RougeType { get; init; } = "rougeL";

    /// <summary>CIDEr: prompts file (.jsonl) whose references say how frequent each n-gram is; usually the training prompts.</summary>
    [PathOption("a prompts file with references")]
    public string CiderCorpus { get; init; } = "";

    /// <summary>VADER: <c>vader_lexicon.txt</c> or its folder.</summary>
    [PathOption("vader_lexicon.txt or its folder")]
    public string Lexicon { get; init; } = "";

    /// <summary>NonToxicity: the regressor's file or its folder.</summary>
    [PathOption("a toxicity regressor, such as models/toxicity-tiny")]
    public string ToxicityModel { get; init; } = "";

    /// <summary>Form: what is asked of a continuation.</summary>
    public FormOptions Form { get; init; } = new();

    /// <summary>Plugin: the assembly.</summary>
    [PathOption("a .dll")]
    public string PluginAssembly { get; init; } = "";

    /// <summary>Plugin: full name of the class; may be empty when the assembly has one reward only.</summary>
    public string PluginClass { get; init; } = "";

    /// <summary>Plugin: handed to the constructor when it takes a text.</summary>
    public string PluginArgument { get; init; } = "";

    /// <summary>Http and Perspective: how the endpoint is called.</summary>
    public EndpointOptions Endpoint { get; init; } = new();

    /// <summary>The kinds that score: the terms of a combination, or the one kind.</summary>
    public IEnumerable<RewardKind> Scorers() => Kind == RewardKind.Combination ? Terms : [Kind];

    /// <summary>Whether one of the kinds scores.</summary>
    public bool Uses(params RewardKind[] kinds) => Scorers().Any(kinds.Contains);

    /// <summary>Whether a continuation is compared with references.</summary>
    public bool NeedsReferences => Uses(RewardKind.Meteor, RewardKind.Rouge, RewardKind.Bleu, RewardKind.Cider);

    /// <summary>Whether a continuation has concepts to use.</summary>
    public bool NeedsConcepts => Uses(RewardKind.Coverage, RewardKind.RepeatPenalty);

    /// <summary>
    /// Between what every score lies; infinite where a kind has no bound: CIDEr above, endpoints and plug-ins on both sides.
    /// </summary>
    public (double Lowest, double Highest) Range() =>
        Kind != RewardKind.Combination
            ? Range(Kind)
            : Terms
                .Select((kind, i) => (Range: Range(kind), Weight: i < Weights.Count ? Weights[i] : 1))
                .Where(term => term.Weight != 0)
                .Select(term => (A: term.Weight * term.Range.Lowest, B: term.Weight * term.Range.Highest))
                .Aggregate((Lowest: 0.0, Highest: 0.0), (sum, term) =>
                    (sum.Lowest + Math.Min(term.A, term.B), sum.Highest + Math.Max(term.A, term.B))
                );

    private static (double Lowest, double Highest) Range(RewardKind kind) =>
        kind switch
        {
            RewardKind.RepeatPenalty => (-1, 0),
            RewardKind.Vader => (-1, 1),
            RewardKind.Cider => (0, double.PositiveInfinity),
            RewardKind.Http or RewardKind.Plugin => (double.NegativeInfinity, double.PositiveInfinity),
            _ => (0, 1),
        };
}

/// <summary>The form that a continuation should have; a reward is the mean of how far each of it is kept.</summary>
public sealed record FormOptions
{
    /// <summary>Words that it should have at least.</summary>
    [Range(1, int.MaxValue)]
    [Unit("words")]
    public int LeastWords { get; init; } = 1;

    /// <summary>Words that it should have at most; a longer one loses in proportion and has nothing at twice as many.</summary>
    [Range(1, int.MaxValue)]
    [Unit("words")]
    public int MostWords { get; init; } = 64;

    /// <summary>Whether it should end as a sentence does, which one that was cut off seldom does.</summary>
    public bool WholeSentence { get; init; } = true;

    /// <summary>Whether it should be running text: no lists, headings, tables or code.</summary>
    public bool RunningText { get; init; } = true;

    /// <summary>Words and phrases that it should not have, whatever their case; each one that it has halves this part.</summary>
    public IReadOnlyList<string> Forbidden { get; init; } = [];
}

/// <summary>How an endpoint over HTTP is called.</summary>
public sealed record EndpointOptions
{
    /// <summary>Address; Perspective's own when empty.</summary>
    public string Url { get; init; } = "";

    /// <summary>Environment variable that holds the API key (Perspective) or a bearer token (Http, if not empty).</summary>
    public string KeyVariable { get; init; } = "";

    /// <summary>Most texts of one request (Http).</summary>
    [Range(1, int.MaxValue)]
    public int BatchSize { get; init; } = 32;

    /// <summary>How long one attempt may take.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Further attempts after a failure that may pass (connection, timeout, status 408, 429, 5xx).</summary>
    [Range(0, int.MaxValue)]
    public int Retries { get; init; } = 4;

    /// <summary>Wait before the first further attempt; each later one waits about twice as long.</summary>
    public TimeSpan RetryDelay { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>Failed attempts in a row after which calls fail at once for a while.</summary>
    [Range(1, int.MaxValue)]
    public int BreakAfter { get; init; } = 10;

    /// <summary>How long calls then fail at once.</summary>
    public TimeSpan BreakFor { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Most requests a second (Perspective grants 1 by default); 0 for no limit.</summary>
    [Range(0, double.PositiveInfinity)]
    public double RequestsPerSecond { get; init; }
}
