using DfPO.Actors.Configuration;
using DfPO.Actors.Weights;
using DfPO.Models;
using DfPO.Tasks.Rewards;
using static TorchSharp.torch;

namespace DfPO.Actors.Work;

/// <summary>The reward of an experiment: what the learner serves of it, and what a worker makes of that.</summary>
public static class RewardLoading
{
    private const string Served = "reward";

    /// <summary>What reward workers of other processes fetch: the classifier's folder and the reward's data, by public name.</summary>
    public static IEnumerable<KeyValuePair<string, string>> Folders(TaskOptions task)
    {
        if (task.Reward.Uses(RewardKind.Classifier))
            yield return new(Served, task.RewardModel);
        foreach (var (option, path) in RewardFiles.Data(task.Reward))
            yield return new($"{Served}-{option}", path);
    }

    /// <summary>What a joining reward worker is told.</summary>
    /// <param name="task">The experiment's task.</param>
    /// <param name="modelsUrl">Address of the served folders.</param>
    public static WorkerSetup Setup(TaskOptions task, string modelsUrl) =>
        new(
            $"{modelsUrl}/{Served}",
            "",
            task.RewardLabel,
            task.Reward is { Kind: RewardKind.Classifier, CacheSize: 0, ClassifierOutput: ClassifierOutput.Probability }
                ? null
                : task.Reward
        );

    /// <summary>The reward in the learner's own process.</summary>
    public static IReward Local(TaskOptions task, Device? device = null) =>
        RewardFactory.Create(task.Reward, () =>
            ClassifierReward.Load(task.RewardModel, task.RewardLabel, device, task.Reward.ClassifierOutput)
        );

    /// <summary>The reward of a joining worker, which fetches what it needs.</summary>
    /// <param name="setup">What the learner told.</param>
    /// <param name="model">The classifier's folder, where the worker brought it along; null fetches it.</param>
    /// <param name="device">Device of the classifier.</param>
    /// <param name="client">Fetches.</param>
    /// <param name="allowance">What this process may load, send and call for it.</param>
    /// <exception cref="DfpoException"><c>worker/not-allowed</c>, <c>weights/fetch</c>, or why the reward cannot be made here: a plug-in
    /// that is not on this machine, a key that is not in this environment.</exception>
    public static IReward Remote(WorkerSetup setup, string? model, Device device, WeightsClient client, RewardAllowance allowance)
    {
        string Fetch(string url) => client.FetchFolder(url, CancellationToken.None).GetAwaiter().GetResult();
        var spec = RewardFiles.Moved(allowance.Checked(setup.Reward ?? new RewardSpec()), (option, path) =>
        {
            var folder = Fetch($"{setup.ModelUrl}-{option}");
            // A single file is served in a folder of its own.
            return Path.Combine(folder, Path.GetFileName(path)) is var file && File.Exists(file) ? file : folder;
        });
        return RewardFactory.Create(spec, () =>
            ClassifierReward.Load(model ?? Fetch(setup.ModelUrl), setup.RewardLabel, device, spec.ClassifierOutput)
        );
    }
}
