using DfPO.Actors.Configuration;
using DfPO.Actors.Experiments;
using DfPO.Host.Runs;
using DfPO.Models;

namespace DfPO.Host.Tests.Runs;

public sealed class RunInputsTests : IDisposable
{
    private readonly TestFolder _folder = new();
    private readonly ExperimentConfig _config;
    private readonly RunFolder _run;

    public RunInputsTests()
    {
        var (policy, reward) = (Path.Combine(_folder.Path, "policy"), Path.Combine(_folder.Path, "reward"));
        foreach (var model in new[] { policy, reward })
        {
            Directory.CreateDirectory(model);
            File.WriteAllText(Path.Combine(model, "config.json"), "{}");
        }
        File.WriteAllText(Path.Combine(_folder.Path, "train.jsonl"), "a");
        _config = new()
        {
            Name = "demo",
            Model = new() { Policy = policy },
            Task = new() { RewardModel = reward, TrainPrompts = Path.Combine(_folder.Path, "train.jsonl") },
        };
        _run = RunFolder.Create(Path.Combine(_folder.Path, "runs"), _config);
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Whoever_goes_on_with_a_run_has_its_identity_and_another_run_has_another()
    {
        var first = RunInputs.Require(_run, _config);
        Assert.Equal(first, RunInputs.Require(_run, _config));
        var other = RunInputs.Require(RunFolder.Create(Path.Combine(_folder.Path, "runs"), _config), _config);
        Assert.NotEqual(first.Id, other.Id);
        Assert.Equal(first.PolicyDigest, other.PolicyDigest);
        Assert.True(first.IsOther(["learner", other.Role]));
        Assert.False(first.IsOther(["learner", "rollout", first.Role]));
    }

    [Fact]
    public void Two_processes_that_begin_at_the_same_time_agree_on_the_identity()
    {
        var ids = new RunIdentity[8];
        Parallel.For(0, ids.Length, i => ids[i] = RunInputs.Require(_run, _config));
        Assert.Single(ids.Distinct());
    }

    [Theory]
    [InlineData("policy/config.json", "model.policy")]
    [InlineData("reward/config.json", "task.reward-model")]
    [InlineData("train.jsonl", "task.train-prompts")]
    public void A_file_that_is_another_than_it_was_is_named(string file, string key)
    {
        RunInputs.Require(_run, _config);
        RunInputs.Check(_run, _config);
        File.WriteAllText(Path.Combine(_folder.Path, file), "other");
        foreach (var look in new Action[] { () => RunInputs.Require(_run, _config), () => RunInputs.Check(_run, _config) })
        {
            var error = Assert.Throws<DfpoException>(look);
            Assert.Equal("run/inputs", error.Code);
            Assert.Contains($"'{key}' has digest", error.Message);
        }
    }

    [Fact]
    public void The_same_files_elsewhere_are_the_same_run()
    {
        RunInputs.Require(_run, _config);
        var moved = Path.Combine(_folder.Path, "moved.jsonl");
        File.Move(_config.Task.TrainPrompts, moved);
        RunInputs.Check(_run, _config with { Task = _config.Task with { TrainPrompts = moved } });
        var without = _config with { Task = _config.Task with { TrainPrompts = "" } };
        var error = Assert.Throws<DfpoException>(() => RunInputs.Check(_run, without));
        Assert.Contains("'task.train-prompts' names none now", error.Message);
    }
}
