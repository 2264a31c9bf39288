using System.Collections;
using DfPO.Actors.Configuration;
using DfPO.Host.Configuration;
using DfPO.Learner.Configuration;
using DfPO.Learner.Objectives;
using DfPO.Tasks.Prompts;

namespace DfPO.Host.Tests.Configuration;

public sealed class BundledExperimentsTests
{
    public static TheoryData<string> Files =>
        [.. Directory.GetFiles(Repository.Path("hocon/experiments"), "*.conf").Select(path => Path.GetFileName(path))];

    public static TheoryData<string> TinyFiles =>
        [.. Files.Select(file => file.Data).Where(file => file.Contains("-tiny", StringComparison.Ordinal))];

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

    /// <summary>
    /// Optimiser steps and token passes of RL4LMs's own configurations, from its buffer sizes: steps are tokens times epochs times
    /// iterations over 64.
    /// </summary>
    [Theory]
    [InlineData("imdb-ppo", 1280, 50, 48)]
    [InlineData("imdb-nlpo", 1280, 50, 48)]
    [InlineData("commongen-ppo", 2560, 200, 20)]
    [InlineData("commongen-nlpo", 1280, 100, 20)]
    public void A_baseline_takes_at_least_the_steps_that_its_reference_takes(string name, int tokens, int iterations, int longest)
    {
        var config = Bind($"{name}.conf");
        Assert.InRange(BatchArithmetic.Of(config).OptimiserSteps, tokens / 64 * 5L * iterations, long.MaxValue);
        Assert.Equal((5, longest), (config.Learner.Epochs, config.Rollout.Generation.MaxNewTokens));
    }

    [Fact]
    public void The_real_models_have_the_sources_form_and_ours_side_by_side()
    {
        foreach (var task in new[] { "imdb", "detox", "commongen" })
        {
            Assert.Equal(
                (0f, 0f, 0.4f),
                (
                    Bind($"{task}-dfpo.conf").Learner.Dfpo.Tolerance,
                    Bind($"{task}-dfpo-iclr.conf").Learner.Dfpo.Tolerance,
                    Bind($"{task}-dfpo-tolerant.conf").Learner.Dfpo.Tolerance
                )
            );
        }
        Assert.Equal(
            ("pos", 960),
            (Bind("imdb-supervised.conf").Task.Data.TrainLabel, Bind("imdb-supervised.conf").Task.MaxReferenceTokens)
        );
    }

    [Fact]
    public void The_tiny_experiments_differ_in_their_objective()
    {
        Assert.Equal(
            (ObjectiveKind.Dfpo, DfpoBehaviour.Policy),
            (Bind("imdb-tiny.conf").Learner.Objective, Bind("imdb-tiny.conf").Learner.Dfpo.Behaviour)
        );
        Assert.Equal(
            (ObjectiveKind.Dfpo, DfpoBehaviour.Masked),
            (Bind("imdb-tiny-iclr.conf").Learner.Objective, Bind("imdb-tiny-iclr.conf").Learner.Dfpo.Behaviour)
        );
        Assert.Equal(ObjectiveKind.Ppo, Bind("imdb-tiny-ppo.conf").Learner.Objective);
    }

    [Theory]
    [MemberData(nameof(TinyFiles))]
    public void What_a_tiny_experiment_reads_is_bundled(string file)
    {
        var config = ExperimentValidation.Checked(Bind(file));
        Assert.All([config.Task.TrainPrompts, config.Task.ValidationPrompts, config.Task.TestPrompts], path =>
            Assert.True(File.Exists(path), path)
        );
        Assert.Empty(config.Task.Data.Path);
    }

    [Theory]
    [InlineData("imdb")]
    [InlineData("detox")]
    [InlineData("commongen")]
    public void A_task_has_each_algorithm_of_the_paper_for_real_and_tiny_models(string task)
    {
        foreach (var (algorithm, tiny) in new[] { ("dfpo", ""), ("dfpo-iclr", "-iclr"), ("ppo", "-ppo"), ("nlpo", "-nlpo") })
            Assert.Equal(Bind($"{task}-{algorithm}.conf").Learner.Objective, Bind($"{task}-tiny{tiny}.conf").Learner.Objective);
        Assert.Equal(ObjectiveKind.Supervised, Bind($"{task}-supervised.conf").Learner.Objective);
    }

    [Theory]
    [InlineData("imdb-tiny")]
    [InlineData("commongen-tiny")]
    public void A_supervised_tiny_experiment_has_a_reference_for_each_training_prompt(string task)
    {
        var config = Bind($"{task}-supervised.conf");
        Assert.Equal(ObjectiveKind.Supervised, config.Learner.Objective);
        Assert.All(PromptSet.Read(config.Task.TrainPrompts).Prompts, prompt => Assert.NotEmpty(prompt.References));
    }

    private static ExperimentConfig Bind(string file) =>
        ExperimentFile.Bind(Repository.Path($"hocon/experiments/{file}"), [], new Hashtable(), path =>
            Path.GetFullPath(path, Repository.Root)
        );
}
