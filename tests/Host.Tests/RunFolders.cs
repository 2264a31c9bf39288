using DfPO.Actors.Configuration;
using DfPO.Actors.Experiments;
using DfPO.Host.Reporting;
using DfPO.Host.Runs;
using DfPO.Learner.Configuration;
using DfPO.Learner.Objectives;
using DfPO.Models.Policies;

namespace DfPO.Host.Tests;

/// <summary>Folders of made-up runs, written by the recorder that real ones are written by.</summary>
internal static class RunFolders
{
    /// <summary>A run of three iterations.</summary>
    /// <param name="root">Folder that its folder is made in.</param>
    /// <param name="reward">Reward after training.</param>
    /// <param name="finished">Whether it came to its end.</param>
    public static RunFolder Make(
        string root,
        string name = "demo",
        ulong seed = 1,
        double reward = 0.7,
        bool finished = true,
        double coefficient = 0.1,
        string continuation = " is a text"
    )
    {
        var config = new ExperimentConfig
        {
            Name = name,
            Seed = seed,
            Iterations = 3,
            Learner = new LearnerOptions
            {
                Objective = ObjectiveKind.Ppo,
                Ppo = new PpoOptions { KlCoefficient = coefficient },
                Dfpo = new DfpoOptions { Decode = DecodingPolicy.Policy },
            },
        };
        var run = RunFolder.Create(root, config);
        var recorder = new RunRecorder(run);
        recorder.Started(config, 0);
        for (var i = 1; i <= 3; i++)
        {
            recorder.IterationFinished(Reports.Iteration(i, 3, reward: reward - 0.1 * (3 - i)));
            recorder.Evaluated(Reports.Evaluation("validation", DecodingPolicy.Policy, i, reward));
        }
        if (!finished)
            return run;
        var before = Reports.Evaluation("test", DecodingPolicy.Policy, 0, 0.5, 30);
        var after = Reports.Evaluation("test", DecodingPolicy.Policy, 3, reward, 33, continuation) with
        {
            Texts = new Dictionary<string, double> { ["reference-perplexity"] = 100 * reward },
        };
        recorder.Evaluated(before);
        recorder.Evaluated(after);
        RunRecorder.Conclude(run, config.Evaluation, new ExperimentResult(3, before, [after], "abc123"));
        return run;
    }
}
