using System.Collections;
using DfPO.Actors.Configuration;
using DfPO.Models;
using DfPO.Models.Options;
using DfPO.Models.Policies;

namespace DfPO.Host.Configuration;

/// <summary>From a file and its overrides to a checked <see cref="ExperimentConfig"/>.</summary>
public static class ExperimentFile
{
    /// <summary>The experiment that runs when none is named.</summary>
    public const string Default = "hocon/experiments/imdb-tiny-budget.conf";

    /// <summary>Reads, overrides (environment, then settings), resolves the preset and the paths, binds and checks.</summary>
    /// <param name="path">The HOCON file, resolved as <see cref="PackageFiles"/> says.</param>
    /// <param name="settings"><c>key=value</c> texts of <c>--set</c>.</param>
    /// <exception cref="DfpoException"><c>config/...</c>, naming source, key and fix.</exception>
    public static ExperimentConfig Load(string path, IEnumerable<string>? settings = null) =>
        ExperimentValidation.Checked(Bind(path, settings ?? [], Environment.GetEnvironmentVariables(), PackageFiles.Resolve));

    /// <summary>
    /// As <see cref="Load"/>, for the experiment that runs when none is named: file, models and data are the program's own.
    /// </summary>
    /// <exception cref="DfpoException"><c>config/package</c>: the program has no such file; or as <see cref="Load"/>.</exception>
    public static ExperimentConfig LoadDefault(IEnumerable<string>? settings = null) =>
        LoadDefault(settings ?? [], PackageFiles.Base, PackageFiles.ResolveOwn);

    internal static ExperimentConfig LoadDefault(IEnumerable<string> settings, string? packageBase, Func<string, string> resolve)
    {
        var own = packageBase is null ? null : Path.Combine(packageBase, Default);
        if (own is null || !File.Exists(own))
            throw new DfpoException(
                "config/package",
                $"The program's own folder has no '{Default}', which runs when no experiment is named: name a file, or install the program with its folders hocon and models."
            );
        return ExperimentValidation.Checked(Bind(own, settings, Environment.GetEnvironmentVariables(), resolve));
    }

    /// <summary>
    /// As <see cref="Load"/>, without the checks across keys: for who takes only some of them, and needs only some of the files.
    /// </summary>
    public static ExperimentConfig Read(string path) => Bind(path, [], Environment.GetEnvironmentVariables(), PackageFiles.Resolve);

    /// <summary>Reads, overrides, resolves and binds, without the checks across keys.</summary>
    internal static ExperimentConfig Bind(string path, IEnumerable<string> settings, IDictionary environment, Func<string, string> resolve)
    {
        var tree = HoconFile
            .Read(resolve(path))
            .Under(ConfigOverrides.FromEnvironment(environment))
            .Under(ConfigOverrides.FromCommandLine(settings));
        return ConfigBinder.Bind<ExperimentConfig>(Decoding(EvaluationGeneration(LearnerPresets.Resolve(tree))), resolve);
    }

    /// <summary>What evaluation says of generation goes over what rollout says.</summary>
    private static ConfigNode.Branch EvaluationGeneration(ConfigNode.Branch tree) =>
        Section(tree, "evaluation") is { } evaluation
        && Section(evaluation, "generation") is { } own
        && Section(tree, "rollout") is { } rollout
        && Section(rollout, "generation") is { } general
            ? tree.Under(Of("evaluation", Of("generation", general.Under(own))))
            : tree;

    /// <summary>
    /// What evaluation says of the KL mask goes over what training says; a rule that decoding has not, such as a budget, is left to its
    /// default.
    /// </summary>
    private static ConfigNode.Branch Decoding(ConfigNode.Branch tree)
    {
        if (
            Section(tree, "evaluation") is not { } evaluation
            || Section(evaluation, "decoding") is not { } own
            || Section(tree, "learner") is not { } learner
            || Section(learner, "dfpo") is not { } training
        )
            return tree;
        var mask = new ConfigNode.Branch(
            training
                .Children.Where(child =>
                    child.Key == "tolerance"
                    || (
                        child.Key == "mask-rule"
                        && child.Value is ConfigNode.Leaf rule
                        && OptionValues.Parse(rule.Text, typeof(KlMaskRule)) is not null
                    )
                )
                .ToDictionary()
        );
        return tree.Under(Of("evaluation", Of("decoding", mask.Under(own))));
    }

    private static ConfigNode.Branch? Section(ConfigNode.Branch tree, string name) =>
        tree.Children.GetValueOrDefault(name) as ConfigNode.Branch;

    private static ConfigNode.Branch Of(string name, ConfigNode node) => new(new Dictionary<string, ConfigNode> { [name] = node });
}
