using System.Security.Cryptography;
using System.Text;
using DfPO.Actors.Configuration;
using DfPO.Actors.Serialization;
using DfPO.Actors.Weights;
using DfPO.Actors.Work;
using DfPO.Tasks.Rewards;

namespace DfPO.Actors.Experiments;

/// <summary>Which run it is, and of which files: what keeps the processes of two runs from serving each other.</summary>
/// <param name="Id">Unique to the run's folder, the same in every process that ever learns for it; letters and digits.</param>
/// <param name="PolicyDigest">Fingerprint of the checkpoint that training started from.</param>
/// <param name="RewardDigest">Fingerprint of the reward's classifier; empty where none rewards.</param>
public sealed record RunIdentity(string Id, string PolicyDigest, string RewardDigest)
{
    private const string RolePrefix = "run-";

    /// <summary>Role of the nodes that may learn for the run, beside <see cref="ClusterRoles.Learner"/>.</summary>
    public string Role => RolePrefix + Id;

    /// <summary>Whether a node with these roles learns, or stands by, for another run.</summary>
    public bool IsOther(IEnumerable<string> roles) =>
        roles.Any(role => role.StartsWith(RolePrefix, StringComparison.Ordinal) && role != Role);

    /// <summary>What a rollout worker builds its engine from.</summary>
    public WorkerSetup Rollout(ExperimentConfig config, string modelsUrl) =>
        Complete(new($"{modelsUrl}/policy", config.Model.Dtype, ""), PolicyDigest);

    /// <summary>What a reward worker builds its reward from.</summary>
    public WorkerSetup Reward(TaskOptions task, string modelsUrl) => Complete(RewardLoading.Setup(task, modelsUrl), RewardDigest);

    private WorkerSetup Complete(WorkerSetup setup, string model)
    {
        var reward = OptionsJson.Write(setup.Reward ?? new RewardSpec()).ToStringUtf8();
        var text = string.Join('\n', model, setup.Dtype, setup.RewardLabel, reward);
        return setup with { Run = Id, Fingerprint = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text))) };
    }
}
