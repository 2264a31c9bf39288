using DfPO.Models;
using DfPO.Tasks.Metrics;
using DfPO.Tasks.Prompts;
using DfPO.Tasks.Toxicity;

namespace DfPO.Tasks.Rewards;

/// <summary>Makes the rewards that experiments name.</summary>
public static class RewardFactory
{
    /// <summary>A reward whose scores are checked for number and finiteness, cached if asked for.</summary>
    /// <param name="spec">What to make.</param>
    /// <param name="classifier">Loads the classifier, which needs a device; null where there is none.</param>
    /// <exception cref="DfpoException"><c>reward/spec</c>: an option is missing or contradictory; or what loading the reward's data
    /// gives.</exception>
    public static IReward Create(RewardSpec spec, Func<IReward>? classifier = null)
    {
        IReward reward = spec.Kind == RewardKind.Combination ? Combination(spec, classifier) : One(spec.Kind, spec, classifier);
        return spec.CacheSize > 0 ? new CachedReward(reward, spec.CacheSize) : reward;
    }

    private static CheckedReward One(RewardKind kind, RewardSpec spec, Func<IReward>? classifier) =>
        new(
            $"{kind}",
            kind switch
            {
                RewardKind.Classifier => classifier?.Invoke() ?? throw Wrong("a classifier was asked for, but none is configured here"),
                RewardKind.Meteor => ReferenceRewards.Meteor(new Meteor(WordNetOf(spec)), spec.Rl4lmsCompat),
                RewardKind.Rouge => ReferenceRewards.Rouge(spec.RougeType),
                RewardKind.Bleu => ReferenceRewards.Bleu(),
                RewardKind.Cider => ReferenceRewards.Cider(
                    PromptSet.Read(Needed(spec.CiderCorpus, "cider-corpus", "a prompts file with references"))
                ),
                RewardKind.Coverage => ConceptRewards.Coverage(new ConceptCoverage(WordNetOf(spec))),
                RewardKind.RepeatPenalty => ConceptRewards.RepeatPenalty(),
                RewardKind.Vader => LexiconReward(Vader.Load(Needed(spec.Lexicon, "lexicon", "vader_lexicon.txt")), spec.Scope),
                RewardKind.NonToxicity => NonToxicity(
                    ToxicityRegressor.Load(Needed(spec.ToxicityModel, "toxicity-model", "a file written by its training")),
                    spec.Scope
                ),
                RewardKind.Perspective => new PerspectiveReward(spec.Endpoint, spec.Scope),
                RewardKind.Form => new TextReward(new FormRule(spec.Form).Score),
                RewardKind.Http => new HttpReward(
                    spec.Endpoint with
                    {
                        Url = Needed(spec.Endpoint.Url, "endpoint.url", "the address that scores are asked from"),
                    }
                ),
                RewardKind.Plugin => PluginReward.Load(
                    Needed(spec.PluginAssembly, "plugin-assembly", "a .dll"),
                    spec.PluginClass,
                    spec.PluginArgument
                ),
                _ => throw Wrong("a combination cannot be a term of a combination"),
            }
        );

    private static LinearReward Combination(RewardSpec spec, Func<IReward>? classifier)
    {
        if (spec.Terms.Count == 0)
            throw Wrong("a combination needs terms, such as [meteor, repeat-penalty]");
        if (spec.Weights.Count > 0 && spec.Weights.Count != spec.Terms.Count)
            throw Wrong($"{spec.Weights.Count} weights for {spec.Terms.Count} terms");
        var terms = new List<(double Weight, IReward Reward)>();
        try
        {
            foreach (var (index, kind) in spec.Terms.Index())
                terms.Add((spec.Weights.Count > 0 ? spec.Weights[index] : 1, One(kind, spec, classifier)));
            return new LinearReward(terms);
        }
        catch
        {
            terms.ForEach(term => term.Reward.Dispose());
            throw;
        }
    }

    private static TextReward LexiconReward(Vader vader, RewardScope scope) => new(text => vader.Score(text.Read(scope)).Compound);

    private static TextReward NonToxicity(ToxicityRegressor regressor, RewardScope scope) =>
        new(text => 1 - regressor.Score(text.Read(scope)));

    private static WordNet? WordNetOf(RewardSpec spec) =>
        Needed(spec.WordNet, "word-net", $"WordNet's folder or archive, or '{RewardFiles.None}' to do without synonyms") == RewardFiles.None
            ? null
            : WordNet.Load(spec.WordNet);

    private static string Needed(string value, string option, string what) =>
        value.Length > 0 ? value : throw Wrong($"option '{option}' is not set: name {what}");

    private static DfpoException Wrong(string problem) => new("reward/spec", $"Reward: {problem}.");
}
