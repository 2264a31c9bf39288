using DfPO.Actors.Experiments;
using DfPO.Actors.Learning;
using DfPO.Host.Configuration;
using DfPO.Host.Runs;
using DfPO.Host.Tests.Commands;
using DfPO.Host.Tests.EndToEnd;
using DfPO.Models.Policies;
using DfPO.Rollout;

namespace DfPO.Host.Tests.Generation;

/// <summary>
/// The folder of an NLPO run of the tiny experiment, with random weights where it would have learnt some: policy and mask are far apart.
/// </summary>
internal sealed class NlpoRun : IDisposable
{
    /// <summary>How the run draws its policy.</summary>
    public static readonly GenerationOptions Masked = new()
    {
        MaxNewTokens = 6,
        MinNewTokens = 4,
        Tolerance = 0.1f,
        MaskTopP = 0.5,
        MaskMinTokens = 5,
    };

    /// <summary>The same without its mask.</summary>
    public static readonly GenerationOptions Plain = Masked with { MaskTopP = 1, MaskMinTokens = 1 };

    public NlpoRun(params string[] settings)
    {
        var config = ExperimentFile.Load(
            Experiment.At("tiny.conf"),
            [
                "learner.preset=nlpo",
                "learner.nlpo.top-p=0.5",
                "learner.nlpo.min-tokens-to-keep=5",
                "rollout.generation.min-new-tokens=4",
                .. settings,
            ]
        );
        var run = RunFolder.Create(Experiment.Runs, config);
        var checkpoints = new RunCheckpoints(run.Path);
        checkpoints.SaveState(new(3, 3, 3, 0.5, Reports.Evaluation("test", DecodingPolicy.Policy, 0)));
        Directory.CreateDirectory(checkpoints.LearnerFolder(3));
        (Path, Best) = (run.Path, checkpoints.BestFolder(3));
        TinyModels.Policy(Best, 11);
        TinyModels.Policy(MaskFolder.In(Best), 12);
    }

    public TinyExperiment Experiment { get; } = new();

    /// <summary>The run's folder.</summary>
    public string Path { get; }

    /// <summary>Checkpoint folder of its best policy, with its mask in it.</summary>
    public string Best { get; }

    public void Dispose() => Experiment.Dispose();
}
