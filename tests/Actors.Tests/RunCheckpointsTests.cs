using DfPO.Actors.Experiments;
using DfPO.Models;
using DfPO.Models.Files;
using DfPO.Models.Policies;
using DfPO.Tasks.Metrics;

namespace DfPO.Actors.Tests;

public sealed class RunCheckpointsTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("dfpo-states");
    private readonly RunCheckpoints _checkpoints;

    public RunCheckpointsTests() => _checkpoints = new RunCheckpoints(_folder.FullName);

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void The_newest_state_is_the_one_that_goes_on()
    {
        Assert.Null(_checkpoints.NewestSound());
        Save(1);
        Save(2);
        Assert.Equal(2, _checkpoints.NewestSound()!.Iteration);
    }

    [Theory]
    [InlineData("checkpoints/iteration-00002/optimizer.safetensors")]
    [InlineData("checkpoints/iteration-00002.json")]
    public void A_damaged_state_is_put_aside_for_the_one_before(string file)
    {
        Save(1);
        Save(2);
        var path = Path.Combine(_folder.FullName, file);
        File.WriteAllText(path, File.ReadAllText(path).Replace("0.25", "0.75").Replace("moments", "momenta"));
        Assert.Equal(1, _checkpoints.NewestSound()!.Iteration);
        Assert.Equal(1, _checkpoints.Newest()!.Iteration);
        Assert.True(Directory.Exists(_checkpoints.LearnerFolder(2) + ".damaged"));
    }

    [Fact]
    public void A_run_whose_states_are_all_damaged_does_not_begin_anew()
    {
        Save(1);
        File.Delete(Path.Combine(_checkpoints.LearnerFolder(1), "optimizer.safetensors"));
        var error = Assert.Throws<DfpoException>(() => _checkpoints.NewestSound());
        Assert.Equal("run/resume", error.Code);
        Assert.Contains("optimizer.safetensors is missing", error.Message);
    }

    private void Save(int iteration)
    {
        var metrics = GenerationMetrics.Compute([new Sample("1", "a", "b", 0.5) { Tokens = 1 }]);
        var before = new EvaluationReport("test", DecodingPolicy.Policy, 0, metrics, []);
        _checkpoints.SaveState(new ExperimentState(iteration, iteration, 0, 0.25, before));
        Directory.CreateDirectory(_checkpoints.LearnerFolder(iteration));
        File.WriteAllText(Path.Combine(_checkpoints.LearnerFolder(iteration), "optimizer.safetensors"), $"moments of {iteration}");
        FolderChecksums.Seal(_checkpoints.LearnerFolder(iteration));
    }
}
