using System.Text.Json.Nodes;
using DfPO.Host.Tests.Commands;

namespace DfPO.Host.Tests.EndToEnd;

/// <summary>Rewards of a user's own assemblies, which the experiment names and nothing here references.</summary>
public sealed class PluginTests
{
    [Fact]
    public async Task A_reward_of_a_separate_assembly_rewards_a_run()
    {
        using var experiment = new TinyExperiment();

        await experiment.RunToEnd([.. Plugin(Built("Brevity")), "--set", "task.reward.plugin-argument=4", "--set", "iterations=1"]);

        JsonNode[] samples =
        [
            .. File.ReadLines(Path.Combine(experiment.RunFolders.Single(), "samples.jsonl")).Select(line => JsonNode.Parse(line)!),
        ];
        Assert.NotEmpty(samples);
        Assert.All(samples, sample => Assert.Equal(-((string)sample["continuation"]!).Length / 4.0, (double)sample["reward"]!, 1e-5));
    }

    [Fact]
    public async Task A_plug_in_that_is_not_there_is_refused_before_the_run()
    {
        using var experiment = new TinyExperiment();
        var (exit, _, errors) = await DfpoProcess.Run(["plan", experiment.At("tiny.conf"), .. Plugin("nowhere.dll")]);
        Assert.Equal(2, exit);
        Assert.Contains("'task.reward.plugin-assembly'", errors);
        Assert.Contains("nowhere.dll", errors);
        Assert.Contains("[config/path]", errors);
    }

    [Theory]
    [InlineData("", "plugin/class", "several rewards", "'Misbehaving.TooFew'")]
    [InlineData("Misbehaving.Perfect", "plugin/class", "no reward 'Misbehaving.Perfect'", "'Misbehaving.NotANumber'")]
    [InlineData("Misbehaving.TooFew", "run/unit-abandoned", "gave 1 scores for 2 texts", "one a text")]
    [InlineData("Misbehaving.NotANumber", "run/unit-abandoned", "gave NaN for text 1 of 2", "finite number")]
    public async Task A_plug_in_that_does_not_keep_to_the_contract_ends_the_run_with_one_error(
        string type,
        string code,
        params string[] words
    )
    {
        using var experiment = new TinyExperiment();
        var (exit, _, errors) = await DfpoProcess.Run(
            experiment.Run([
                .. Plugin(Built("Misbehaving")),
                "--set",
                $"task.reward.plugin-class={type}",
                "--set",
                "rollout.max-attempts=1",
            ])
        );
        Assert.Equal(1, exit);
        Assert.Empty(experiment.Iterations);
        var line = Assert.Single(errors.Split('\n'), line => line.EndsWith($"[{code}]", StringComparison.Ordinal));
        Assert.All(words, word => Assert.Contains(word, line));
        Assert.DoesNotContain("   at ", errors);
    }

    private static string[] Plugin(string assembly) =>
        ["--set", "task.reward-model=", "--set", "task.reward.kind=plugin", "--set", $"task.reward.plugin-assembly={assembly}"];

    /// <summary>The assembly as its own project has built it, in the configuration of these tests.</summary>
    private static string Built(string name)
    {
        var output = new DirectoryInfo(AppContext.BaseDirectory);
        return Repository.Path($"tests/Plugins/{name}/bin/{output.Parent!.Name}/{output.Name}/{name}.dll");
    }
}
