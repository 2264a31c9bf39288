using System.Collections;
using DfPO.Actors.Experiments;
using DfPO.Models;
using DfPO.Tasks.Rewards;

namespace DfPO.Host.Configuration;

/// <summary>From a file and its overrides to a checked <see cref="ExperimentConfig"/>.</summary>
public static class ExperimentFile
{
    /// <summary>The experiment that runs when none is named.</summary>
    public const string Default = "hocon/experiments/imdb-tiny.conf";

    /// <summary>Reads, overrides (environment, then settings), resolves the preset and the paths, binds and checks.</summary>
    /// <param name="path">The HOCON file, resolved as <see cref="PackageFiles"/> says.</param>
    /// <param name="settings"><c>key=value</c> texts of <c>--set</c>.</param>
    /// <exception cref="DfpoException"><c>config/...</c>, naming source, key and fix.</exception>
    public static ExperimentConfig Load(string path, IEnumerable<string>? settings = null) =>
        ExperimentValidation.Checked(Bind(path, settings ?? [], Environment.GetEnvironmentVariables(), PackageFiles.Resolve));

    /// <summary>As <see cref="Load"/>, without the checks across keys: for who takes only some of them, and needs only some of the files.</summary>
    public static ExperimentConfig Read(string path) => Bind(path, [], Environment.GetEnvironmentVariables(), PackageFiles.Resolve);

    /// <summary>Reads, overrides, resolves and binds, without the checks across keys.</summary>
    internal static ExperimentConfig Bind(string path, IEnumerable<string> settings, IDictionary environment, Func<string, string> resolve)
    {
        var tree = HoconFile.Read(resolve(path)).Under(ConfigOverrides.FromEnvironment(environment)).Under(ConfigOverrides.FromCommandLine(settings));
        var config = ConfigBinder.Bind<ExperimentConfig>(EvaluationGeneration(LearnerPresets.Resolve(tree)));
        string Resolved(string value) => value.Length == 0 ? value : resolve(value);
        return config with
        {
            Model = config.Model with { Policy = Resolved(config.Model.Policy) },
            Task = config.Task with
            {
                TrainPrompts = Resolved(config.Task.TrainPrompts),
                ValidationPrompts = Resolved(config.Task.ValidationPrompts),
                TestPrompts = Resolved(config.Task.TestPrompts),
                Preferences = Resolved(config.Task.Preferences),
                Data = config.Task.Data with { Path = Resolved(config.Task.Data.Path) },
                Reward = RewardFiles.Resolved(config.Task.Reward, resolve),
                RewardModel = Resolved(config.Task.RewardModel),
            },
            Evaluation = config.Evaluation with
            {
                WordNet = config.Evaluation.WordNet == RewardFiles.None ? RewardFiles.None : Resolved(config.Evaluation.WordNet),
                Lexicon = Resolved(config.Evaluation.Lexicon),
                SpiceJar = Resolved(config.Evaluation.SpiceJar),
                BertScoreModel = Resolved(config.Evaluation.BertScoreModel),
                PerplexityModel = Resolved(config.Evaluation.PerplexityModel),
            },
            Cluster = config.Cluster with
            {
                Tls = new() { Ca = Resolved(config.Cluster.Tls.Ca), Certificate = Resolved(config.Cluster.Tls.Certificate), Key = Resolved(config.Cluster.Tls.Key) },
            },
        };
    }

    /// <summary>What evaluation says of generation goes over what rollout says.</summary>
    private static ConfigNode.Branch EvaluationGeneration(ConfigNode.Branch tree) =>
        Section(tree, "evaluation") is { } evaluation && Section(evaluation, "generation") is { } own && Section(tree, "rollout") is { } rollout && Section(rollout, "generation") is { } general
            ? tree.Under(Of("evaluation", Of("generation", general.Under(own))))
            : tree;

    private static ConfigNode.Branch? Section(ConfigNode.Branch tree, string name) => tree.Children.GetValueOrDefault(name) as ConfigNode.Branch;

    private static ConfigNode.Branch Of(string name, ConfigNode node) => new(new Dictionary<string, ConfigNode> { [name] = node });
}
