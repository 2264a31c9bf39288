using System.Collections;
using DfPO.Actors.Experiments;
using DfPO.Host.Configuration;
using DfPO.Learner;
using DfPO.Learner.Objectives;

namespace DfPO.Host.Tests.Configuration;

public sealed class BundledExperimentsTests
{
    public static TheoryData<string> Files => [.. Directory.GetFiles(Repository.Path("hocon/experiments"), "*.conf").Select(path => Path.GetFileName(path))];

    [Theory]
    [MemberData(nameof(Files))]
    public void Every_bundled_experiment_binds_under_its_own_name(string file)
    {
        var config = Bind(file);
        Assert.Equal(Path.GetFileNameWithoutExtension(file), config.Name);
        var batch = BatchArithmetic.Of(config);
        Assert.Equal(0, batch.Sequences % config.Learner.MinibatchSize);
        // Given texts are not rolled out.
        if (batch.Units > 0)
            Assert.Equal(batch.Sequences, batch.Units * config.Rollout.UnitSize);
    }

    [Fact]
    public void The_paper_s_figures_stand_in_the_paper_s_experiment()
    {
        var learner = Bind("imdb-dfpo.conf").Learner;
        Assert.Equal((1e-5, 0.99, 0.95, 16), (learner.LearningRate, learner.Gamma, learner.Lambda, learner.MinibatchSize));
    }

    [Fact]
    public void The_tiny_experiments_differ_in_their_objective()
    {
        Assert.Equal((ObjectiveKind.Dfpo, DfpoBehaviour.Policy), (Bind("imdb-tiny.conf").Learner.Objective, Bind("imdb-tiny.conf").Learner.Dfpo.Behaviour));
        Assert.Equal((ObjectiveKind.Dfpo, DfpoBehaviour.Masked), (Bind("imdb-tiny-iclr.conf").Learner.Objective, Bind("imdb-tiny-iclr.conf").Learner.Dfpo.Behaviour));
        Assert.Equal(ObjectiveKind.Ppo, Bind("imdb-tiny-ppo.conf").Learner.Objective);
    }

    [Fact]
    public void The_bundled_prompts_exist()
    {
        var task = Bind("imdb-tiny.conf").Task;
        Assert.All([task.TrainPrompts, task.ValidationPrompts, task.TestPrompts], path => Assert.True(File.Exists(path), path));
    }

    private static ExperimentConfig Bind(string file) => ExperimentFile.Bind(Repository.Path($"hocon/experiments/{file}"), [], new Hashtable(), path => Path.GetFullPath(path, Repository.Root));
}
